-- A new epoch.
INSERT INTO epoch (pid, host, version, started_at) VALUES (:pid, :host, :version, :at)
