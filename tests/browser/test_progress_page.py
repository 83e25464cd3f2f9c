"""The page of examples/progress_page.py in a real Chromium: the incident "Progress page".

However fast the batch is and however late the page comes, it shows every event once and the end;
also across connections that break, and across a restart of the server.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest
from examples.progress_page import count_words
from tests.browser.serving import Connections, Serving, serving

from overseen import Batch

if TYPE_CHECKING:
    from playwright.sync_api import Page

TIMES = 30
READ_THE_PAGE = """() => ({
    url: location.href,
    status: document.getElementById("status").textContent,
    counts: document.getElementById("counts").textContent,
    value: document.getElementById("bar").value,
    maximum: document.getElementById("bar").max,
    seqs: [...document.querySelectorAll("#events li")].map((line) => Number(line.dataset.seq)),
    live: document.querySelectorAll("#events li.live").length,
})"""


class Shown(msgspec.Struct, frozen=True):
    """What a person sees."""

    url: str
    status: str
    counts: str
    value: int
    maximum: int
    seqs: list[int]
    live: int

    @property
    def batch_id(self) -> int:
        return int(self.url.rsplit("/", 1)[1])


def shown_at_the_end(page: Page) -> Shown:
    """Wait until the page says that this is all; return what it shows."""
    page.get_by_text("That is all.").wait_for()
    return msgspec.convert(page.evaluate(READ_THE_PAGE), Shown)


def check(shown: Shown, server: Serving, total: int) -> None:
    """Completed, the numbers add up, and each event of the ledger is there once, in order."""
    assert shown.status == "completed"
    assert shown.counts == (
        f"{total} of {total} ended: {total} completed, 0 failed, 0 cancelled; 0 running"
    )
    assert (shown.value, shown.maximum) == (total, total)
    assert shown.seqs == server.ledger(shown.batch_id)


def test_a_batch_of_five_milliseconds_is_shown_completed_every_time(
    page: Page, server: Serving
) -> None:
    """Thirty times: a click starts a batch that is over before the page is there, and the page
    shows it completed. (incident: Progress page) (R35, R36, R38)"""
    page.goto(server.batch(pages=1))
    for batch_id in range(2, TIMES + 2):
        page.get_by_role("button").click()
        page.wait_for_url(f"{server.url}/batches/{batch_id}")
        check(shown_at_the_end(page), server, 20)


def test_a_page_that_comes_late_shows_the_same(page: Page, server: Serving) -> None:
    """Opened when all is over, and again after a restart of the server: everything is history.
    (incident: Progress page) (R37, R38)"""
    url = server.batch(pages=20)
    page.goto(url)
    first = shown_at_the_end(page)
    check(first, server, 20)
    assert first.live == 0

    server.stop()
    with serving(server.folder, server.port) as restarted:
        page.goto(url)
        assert shown_at_the_end(page) == first
        check(first, restarted, 20)


def test_a_page_that_is_there_first_sees_everything_live(page: Page, server: Serving) -> None:
    """Opened before the first member is added: the numbers follow, and the end comes.
    (incident: Progress page) (R35)"""

    async def begin() -> Batch:
        return await server.supervisor.batch("open").open()

    async def go_on() -> None:
        for n in range(3):
            await batch.submit(count_words, n)
        await batch.submit_many(count_words.call(n) for n in range(37))
        await batch.seal()

    batch = server.call(begin)
    page.goto(f"{server.url}/batches/{batch.id}")
    page.get_by_text("0 of 0 ended").wait_for()
    server.call(go_on)
    shown = shown_at_the_end(page)
    check(shown, server, 40)
    assert shown.live == len(shown.seqs) - 1, "all but `batch_opened`"


@pytest.mark.parametrize("seed", range(3))
def test_connections_that_break_lose_nothing_and_double_nothing(
    page: Page, server: Serving, connections: Connections, seed: int
) -> None:
    """The server drops the stream again and again, in the middle of an event: the browser comes
    back with the last one it has seen. (incident: Progress page) (R36, R37)"""
    draw = Random(seed)
    # The first frame is the snapshot: some connections see nothing else, or not even that.
    cuts = [1, *(draw.randint(0, 12) for _ in range(9))]  # the first one says when to come back
    connections.expect(cuts)
    page.goto(server.batch(pages=60))
    shown = shown_at_the_end(page)
    check(shown, server, 60)

    assert len(connections.asked) == len(cuts) + 1
    resumed = [0, *(int(last or 0) for _, last in connections.asked[1:])]
    for cut, before, after in zip(cuts, resumed, resumed[1:], strict=False):
        told = [seq for seq in shown.seqs if before < seq <= after]
        # A snapshot, and events that were sent whole; of those a browser may drop the last.
        assert len(told) <= max(0, cut - 1)
    assert resumed[-1] > 0


def test_the_numbers_stay_true_when_the_stream_breaks_while_jobs_run(
    page: Page, server: Serving, connections: Connections
) -> None:
    """Members come and end while connections break: each new snapshot and what comes after it make
    the same numbers as the end. (incident: Progress page) (R36)"""
    draw = Random(7)
    connections.expect(draw.randint(1, 6) for _ in range(12))

    async def begin() -> Batch:
        return await server.supervisor.batch("open").open()

    async def go_on() -> None:
        for n in range(40):
            await (await batch.submit(count_words, n)).wait()

    async def seal() -> None:
        await batch.seal()

    batch = server.call(begin)
    page.goto(f"{server.url}/batches/{batch.id}")
    server.call(go_on)
    page.get_by_text("40 of 40 ended: 40 completed, 0 failed, 0 cancelled; 0 running").wait_for()
    assert page.locator("#status").text_content() == "open", "the summary has not come yet"
    server.call(seal)
    check(shown_at_the_end(page), server, 40)
    assert len(connections.asked) == 13


def test_a_restart_of_the_server_is_only_a_pause(page: Page, server: Serving) -> None:
    """The server stops with the page open, which does not hold it up; the page goes on with the
    next one where it was. (incident: Progress page) (R37)"""

    async def begin() -> Batch:
        batch = await server.supervisor.batch("open").open()
        await batch.submit_many(count_words.call(n) for n in range(5))
        return batch

    batch = server.call(begin)
    page.goto(f"{server.url}/batches/{batch.id}")
    page.get_by_text("5 of 5 ended").wait_for()
    server.stop()

    with serving(server.folder, server.port) as restarted:

        async def finish() -> None:
            again = restarted.supervisor.find_batch(batch.id)
            await again.submit(count_words, 6)
            await again.seal()

        restarted.call(finish)
        check(shown_at_the_end(page), restarted, 6)


def test_an_answer_that_is_an_error_is_not_the_end(
    page: Page, server: Serving, connections: Connections
) -> None:
    """A browser gives up after a 503, as from a proxy whose server is away; the page does not, and
    asks for what comes after the last event it has seen. (incident: Progress page) (R37)"""

    async def begin() -> Batch:
        batch = await server.supervisor.batch("open").open()
        await batch.submit_many(count_words.call(n) for n in range(5))
        return batch

    async def seal() -> None:
        await batch.seal()

    batch = server.call(begin)
    connections.expect([4, "away"])
    page.goto(f"{server.url}/batches/{batch.id}")
    page.get_by_text("5 of 5 ended").wait_for()
    server.call(seal)
    shown = shown_at_the_end(page)
    check(shown, server, 5)
    _, again, by_the_page = connections.asked
    last = again[1] or "0"
    assert int(last) in [0, *shown.seqs[:3]], "of what was sent a browser may drop the last"
    assert again[0] == "after=0"
    assert by_the_page == (f"after={last}", None)
