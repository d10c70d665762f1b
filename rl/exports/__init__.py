"""What trainers read, as pure functions of a log's steps. Each gives rows that are plain JSON."""
