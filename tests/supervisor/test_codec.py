"""Payloads: what travels, what is restored, what is refused and where inside the value."""

from __future__ import annotations

import enum
import math
import sys
import uuid
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overseen.codec import ArgumentsCodec, ResultCodec, decode_value, encode_value
from overseen.errors import (
    InvalidArguments,
    InvalidPayload,
    InvalidResult,
    JobDefinitionError,
    PayloadTooLarge,
)
from overseen.jobs import Job, job


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Node:
    weight: float
    kids: list[Node]
    at: datetime | None = None


class Point(NamedTuple):
    x: int
    y: int


class Options(TypedDict):
    size: int
    name: NotRequired[str]


class Record(msgspec.Struct):
    id: uuid.UUID
    price: Decimal


@attrs.define
class Slot:
    tags: set[str]


class Model(pydantic.BaseModel):
    when: date
    ratio: float = 1.0
    children: list[Model] = []


class LoudText(str):
    __slots__ = ()


@job
async def scalars(n: int, s: str, x: float = 1.0, flag: bool = False) -> int:
    return n


@job
async def typed(
    node: Node,
    options: Options,
    record: Record,
    slot: Slot,
    color: Color,
    level: Level,
    point: Point,
    pause: timedelta,
    where: Path,
    numbers: tuple[int, ...],
    by_id: dict[int, str],
) -> Node:
    return node


@job
async def free(n: int, data: Any = None, more: dict[str, Any] | None = None) -> Any:
    return data


@job
def shaped(a: int, /, b: int = 2, *rest: int, c: str = "c", **extra: float) -> None: ...


@job
async def modelled(model: Model, many: dict[str, Model], maybe: Model | None = None) -> Model:
    return model


def codec(of: Job[..., Any]) -> ArgumentsCodec:
    return of.prepare().arguments


def travel(of: Job[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """What the body is called with after a submit with these arguments, by name."""
    positional, named = codec(of).decode(codec(of).encode(args, kwargs))
    assert positional == ()
    return named


def refusal(of: Job[..., Any], *args: Any, **kwargs: Any) -> InvalidPayload:
    with pytest.raises(InvalidArguments) as caught:
        codec(of).encode(args, kwargs)
    return caught.value


def test_arguments_are_one_object_without_defaults() -> None:
    """What was not passed is not written: its default belongs to the code at run time."""
    assert codec(scalars).encode((1,), {"s": "ü"}) == '{"n":1,"s":"ü"}'
    assert travel(scalars, 1, "a", flag=True) == {"n": 1, "s": "a", "flag": True}


def test_types_are_restored() -> None:
    """Dataclasses, TypedDict, Struct, attrs, enums, dates, UUID, Decimal, sets, tuples, paths."""
    sent = {
        "node": Node(0.5, [Node(1.0, [], datetime(2030, 1, 2, tzinfo=UTC))]),
        "options": {"size": 3},
        "record": Record(uuid.UUID(int=7), Decimal("1.10")),
        "slot": Slot({"a", "b"}),
        "color": Color.BLUE,
        "level": Level.LOW,
        "point": Point(1, 2),
        "pause": timedelta(minutes=3),
        "where": Path("/tmp/x"),
        "numbers": (1, 2),
        "by_id": {1: "one"},
    }
    assert travel(typed, **sent) == sent


@given(st.integers(), st.text(), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_scalars_are_exact(n: int, s: str, x: float, flag: bool) -> None:
    """Ints of any size, any text with NUL, and floats to the last bit come back as sent."""
    back = travel(scalars, n, s, x, flag)
    assert back == {"n": n, "s": s, "x": x, "flag": flag}
    assert math.copysign(1, back["x"]) == math.copysign(1, x)


plain_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False).filter(math.isfinite),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(plain_json)
def test_plain_json_needs_no_annotation(value: Any) -> None:
    """Any JSON value passes through an unannotated parameter, a result and a checkpoint."""
    assert travel(free, 1, value) == {"n": 1, "data": value}
    assert decode_value(encode_value(value)) == value
    result = free.prepare().result
    assert result.decode(result.encode(value)) == value


@given(plain_json, st.sampled_from([math.nan, math.inf, -math.inf]), st.data())
def test_what_is_not_finite_is_found_anywhere(value: Any, bad: float, data: st.DataObject) -> None:
    """One NaN or infinity anywhere in a value is refused, never written as null."""
    spoilt = data.draw(
        st.sampled_from([[value, bad], {"a": value, "b": bad}, [{"x": [bad]}], (value, (bad,))])
    )
    assert "JSON has no NaN" in refusal(free, 1, spoilt).reason
    with pytest.raises(InvalidPayload, match="JSON has no NaN"):
        encode_value(spoilt)
    with pytest.raises(InvalidResult, match="JSON has no NaN"):
        free.prepare().result.encode(spoilt)


@pytest.mark.parametrize(
    ("args", "path", "reason"),
    [
        (("3", "a"), "$.n", "Expected `int`, got `str`"),
        ((1.0, "a"), "$.n", "Expected `int`, got `float`"),
        ((True, "a"), "$.n", "Expected `int`, got `bool`"),
        ((1, 2), "$.s", "Expected `str`, got `int`"),
        ((1, b"a"), "$.s", "Expected `str`, got `bytes`"),
        ((1, datetime(2030, 1, 1, tzinfo=UTC)), "$.s", "Expected `str`, got `datetime`"),
        ((1, "a", "1.5"), "$.x", "Expected `float`, got `str`"),
        ((1, "a", math.nan), "$.x", "nan: JSON has no NaN"),
        ((1, "a", 10**400), "$.x", "Number out of range"),
        ((1, "\ud800"), "$.s", "surrogate"),
        ((1, object()), "$.s", "object is not JSON"),
        ((10**5_000, "a"), "$.n", "4300 digits"),
    ],
)
def test_wrong_types_are_refused_with_their_path(
    args: tuple[Any, ...], path: str, reason: str
) -> None:
    """At submit every argument is checked strictly by its annotation."""
    error = refusal(scalars, *args)
    assert (error.path, error.kind) == (path, "scalars")
    assert reason in error.reason


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (datetime(2030, 1, 1, tzinfo=UTC), "$.data", "datetime is not plain JSON"),
        ([b"x"], "$.data[0]", "bytes is not plain JSON"),
        ({1: 2}, "$.data", "every key is text"),
        ({"a": {1, 2}}, "$.data.a", "set is not plain JSON"),
        (Node(1.0, []), "$.data", "Node is not plain JSON"),
        ({"a b": [Decimal(1)]}, "$.data['a b'][0]", "Decimal is not plain JSON"),
        ([[object()]], "$.data[0][0]", "object is not JSON"),
        ({"ok": "a\udfff"}, "$.data.ok", "surrogate"),
        ({"\ud800": 1}, "key in $.data", "surrogate"),
        ([1, math.inf], "$.data[1]", "inf: JSON has no NaN"),
        (msgspec.Raw(b"{bad"), "$", "Raw is not JSON"),
    ],
)
def test_without_an_annotation_only_plain_json_passes(value: Any, path: str, reason: str) -> None:
    """What would silently arrive as something else is refused, with its place."""
    error = refusal(free, 1, value)
    assert error.path == path
    assert reason in error.reason


@job
async def maybe(x: float | None, many: list[float | None], node: Node | None = None) -> None: ...


def test_not_finite_is_no_null() -> None:
    """Where null would be fine, NaN is still refused: it is never turned into None."""
    assert travel(maybe, None, [1.0, None]) == {"x": None, "many": [1.0, None]}
    assert refusal(maybe, math.nan, []).path == "$.x"
    assert refusal(maybe, None, [None, 1.0, -math.inf]).path == "$.many[2]"
    with pytest.raises(InvalidResult):
        ResultCodec[float | None]("k", float | None).encode(math.nan)


def test_what_was_left_out_is_not_blamed() -> None:
    """The path names the argument that is wrong, not one before it that was not passed."""
    assert refusal(scalars, 1, "a", flag=object()).path == "$.flag"


def test_free_values_are_named_in_errors() -> None:
    """A checkpoint or progress of another type than plain JSON is refused by its name."""
    with pytest.raises(InvalidPayload, match=r"checkpoint: .* at \$\.at: date is not plain"):
        encode_value({"at": date(2030, 1, 1)}, what="checkpoint")


def test_no_annotation_is_any() -> None:
    """A parameter and a return value without annotations hold plain JSON."""

    async def silent(n: int, data: Any) -> Any: ...

    for name in ("data", "return"):
        del silent.__annotations__[name]
    made = job(silent)
    assert travel(made, 1, {"a": [1]}) == {"n": 1, "data": {"a": [1]}}
    assert refusal(made, 1, b"x").path == "$.data"
    assert made.prepare().result.encode([1]) == "[1]"


def test_any_inside_a_container_is_as_strict() -> None:
    """`dict[str, Any]` holds plain JSON only."""
    assert refusal(free, 1, more={"a": {"b": [date(2030, 1, 1)]}}).path == "$.more.a.b[0]"
    assert travel(free, 1, more={"a": (1, None)})["more"] == {"a": [1, None]}


def test_what_is_lenient_is_known() -> None:
    """An int for a float, a tuple for a list, and subclasses of text and containers pass."""
    back = travel(scalars, 1, LoudText("a"), 2)
    assert [type(value) for value in back.values()] == [int, str, float]
    inner: defaultdict[str, tuple[int, ...]] = defaultdict(tuple, b=(1,))
    assert travel(free, 1, OrderedDict(a=inner)) == {
        "n": 1,
        "data": {"a": {"b": [1]}},
    }


def test_deep_values_are_refused_with_their_path() -> None:
    """The path leads through dataclasses and lists."""
    late = Node(1.0, [Node(0.0, []), Node(math.nan, [])])
    with pytest.raises(InvalidResult) as caught:
        typed.prepare().result.encode(late)
    assert caught.value.path == "$.kids[1].weight"


def test_a_value_that_contains_itself_is_refused() -> None:
    """Cycles and endless nesting are errors, not crashes."""
    loop: list[Any] = []
    loop.append(loop)
    assert "contains itself" in refusal(free, 1, loop).reason
    with pytest.raises(InvalidPayload, match="contains itself"):
        encode_value({"a": [loop, object()]})


@pytest.mark.parametrize(
    ("args", "kwargs", "reason"),
    [
        ((), {}, "missing a required argument: 'n'"),
        ((1, "a", 1.0, True, 5), {}, "too many positional arguments"),
        ((1,), {"s": "a", "wrong": 1}, "unexpected keyword argument 'wrong'"),
        ((1, "a"), {"n": 1}, "multiple values for argument 'n'"),
    ],
)
def test_arguments_that_do_not_bind_are_refused(
    args: tuple[Any, ...], kwargs: dict[str, Any], reason: str
) -> None:
    """The error says what is wrong and how the job is called, without the context."""
    error = refusal(scalars, *args, **kwargs)
    assert reason in error.reason
    assert "scalars(n: int, s: str, x: float = 1.0" in error.reason


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1,), {}),
        ((1, 2), {}),
        ((1, 2, 3, 4), {"c": "z", "q": 1.5}),
        ((1,), {"b": 5, "c": "z"}),
        ((1,), {"a": 2.0}),
    ],
)
def test_every_shape_of_parameters_travels(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Positional-only, *args, keyword-only and **kwargs reach the body as they were passed."""
    back: tuple[Any, Any] = codec(shaped).decode(codec(shaped).encode(args, kwargs))

    def names(a: int, /, b: int = 2, *rest: int, c: str = "c", **extra: float) -> object:
        return a, b, rest, c, extra

    assert names(*back[0], **back[1]) == names(*args, **kwargs)


def test_a_changed_signature_is_noticed_at_start() -> None:
    """Arguments that do not fit the code any more are refused, not bent."""
    for text, reason in [
        ('{"n":1}', "missing required field `s`"),
        ('{"n":1,"s":"a","gone":1}', "unknown field `gone`"),
        ('{"n":"1","s":"a"}', "Expected `int`"),
        ("[]", "Expected `object`"),
        ("{", "truncated"),
    ]:
        with pytest.raises(InvalidArguments, match=reason):
            codec(scalars).decode(text)
    with pytest.raises(InvalidArguments, match=r"`b` is missing although `\*args`"):
        codec(shaped).decode('{"a":1,"rest":[3]}')


def test_large_payloads_are_refused() -> None:
    """Above the limit, counted in bytes of UTF-8, the error has both numbers."""
    with pytest.raises(PayloadTooLarge) as caught:
        codec(scalars).encode((1, "ü" * 600_000), {})
    assert (caught.value.size, caught.value.limit) == (1_200_014, 1_048_576)
    assert codec(scalars).encode((1, "a"), {}, limit=15) == '{"n":1,"s":"a"}'
    for encode in (free.prepare().result.encode, encode_value):
        with pytest.raises(PayloadTooLarge, match="the limit is 5"):
            encode("abcd", limit=5)


def test_the_same_arguments_are_one_text() -> None:
    """Whatever the order of a set or a mapping, its arguments have one ordered text, which is read
    as the same value; what cannot be ordered stays as it is."""
    slot = codec(_slotted)
    one = '{"slot":{"tags":["a","b"]}}'
    assert slot.in_order(one) == slot.in_order('{"slot":{"tags":["b","a"]}}') == one
    assert slot.in_order('{"slot":{"tags":["b"]}}') != slot.in_order('{"slot":{"tags":["a"]}}')


@job
async def _slotted(slot: Slot) -> None: ...


def test_pydantic_models_travel() -> None:
    """Models come back as models, with their own validation, inside containers too."""
    model = Model(when=date(2030, 1, 1), children=[Model(when=date(2031, 1, 1))])
    back = travel(modelled, model, {"a": model}, None)
    assert back == {"model": model, "many": {"a": model}, "maybe": None}
    assert refusal(modelled, model, {}, maybe=3).path == "$.maybe"
    assert "nan" in refusal(modelled, Model(when=date(2030, 1, 1), ratio=math.nan), {}).reason


def test_pydantic_is_not_imported() -> None:
    """A program without models never pays for pydantic."""
    import subprocess

    program = (
        "import sys; from overseen.codec import encode_value; encode_value([1]);"
        "sys.exit('pydantic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": _PATHS})


_ROOT = Path(__file__).parents[2]
_PATHS = ":".join(str(_ROOT / part) for part in ("supervisor", "actors", "storage"))


def test_results_are_checked_by_the_return_type() -> None:
    """A result that does not fit its annotation is invalid, with the path."""
    wrong: list[tuple[Job[..., Any], Any, str]] = [
        (scalars, "3", "$"),
        (typed, Node(1.0, [Node("x", [])]), "$.kids[0].weight"),  # type: ignore[arg-type]  # wrong on purpose
        (shaped, 1, "$"),
        (free, object(), "$"),
        (free, [datetime(2030, 1, 1, tzinfo=UTC)], "$[0]"),
    ]
    for made, value, path in wrong:
        with pytest.raises(InvalidResult) as caught:
            made.prepare().result.encode(value)
        assert caught.value.path == path


def test_returning_nothing_is_a_result() -> None:
    """A body that returns nothing has the result null."""
    assert shaped.prepare().result.encode(None) == "null"
    assert shaped.prepare().result.decode("null") is None
    text: ResultCodec[str | None] = ResultCodec("k", str | None)
    assert text.decode(text.encode(None)) is None


class Opaque:
    pass


class Holder(msgspec.Struct):
    inside: list[Opaque]


@pytest.mark.parametrize("kind", [Opaque, list[Opaque], Holder, datetime | str, msgspec.Raw, type])
def test_types_without_json_are_refused_at_registration(kind: Any) -> None:
    """The error names the parameter, the place and what to use instead."""

    async def takes(wrong: int) -> None: ...

    async def returns() -> None: ...

    takes.__annotations__["wrong"] = kind
    returns.__annotations__["return"] = kind
    with pytest.raises(JobDefinitionError, match=r"test_codec.py:\d+.*`wrong` cannot travel"):
        job(takes).prepare()
    with pytest.raises(JobDefinitionError, match=r"return type cannot travel"):
        job(returns).prepare()


def test_damaged_free_values_are_refused() -> None:
    """Text that is no JSON is an InvalidPayload, not an error of a library."""
    with pytest.raises(InvalidPayload):
        decode_value("{")
