"""`record`: the topics of a robot into a bag, with a table of what came."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from embodied_agent.ros.recorder import Recorder, RecordOptions, record


def record_bag(options: RecordOptions) -> None:
    """Record, and say what was recorded.

    Raises:
        EmbodiedAgentError: Anything that keeps it from recording.
    """
    console = Console(stderr=True)

    def tell(line: str) -> None:
        style = "yellow" if line.startswith("not recorded") else "dim"
        console.print(Text(line, style), soft_wrap=True)

    end = f"for {options.seconds:g} s" if options.seconds else "until Ctrl-C"
    console.print(f"recording to {options.out} {end}", soft_wrap=True, highlight=False)
    recorder = record(options, tell)
    console.print(_table(recorder))
    size = recorder.file.stat().st_size
    print(f"{recorder.file}: {recorder.messages} messages, {_size(size)}, chunks {recorder.compression}")


def _table(recorder: Recorder) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("topic", overflow="fold")
    for name in ("messages", "Hz", "size", "lost"):
        table.add_column(name, justify="right")
    for _, found in sorted(recorder.topics.items()):
        lost = Text("–" if found.lost is None else str(found.lost), "yellow" if found.lost else "")
        rate = f"{found.rate:.1f}" if found.rate else "–"
        table.add_row(found.topic.name, str(found.messages), rate, _size(found.bytes), lost)
    return table


def _size(size: int) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}" if unit != "B" else f"{size} B"
        size = size / 1000  # type: ignore[assignment]
    return f"{size:.3g} GB"
