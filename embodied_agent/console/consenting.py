"""Consent on the terminal: the question, and yes or no."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from rich.console import Console
from rich.prompt import Confirm
from rich.text import Text

from embodied_agent.consent import AGREED, DECLINED, ENDED, KINDS, NONE, Question
from embodied_agent.console.live import LiveTree
from embodied_agent.errors import BadInput


def check_confirm(kind: str) -> None:
    """Refuse what cannot be asked for here.

    Raises:
        BadInput: Not none, task or unit; or there is no terminal to answer on.
    """
    if kind not in KINDS:
        raise BadInput(f"--confirm {kind!r}: it is {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    if kind != NONE and not sys.stdin.isatty():
        raise BadInput(f"--confirm {kind} asks on the terminal, and standard input is none; run it in a terminal")


@dataclass
class TerminalConsent:
    """Asks whoever sits at the terminal; no answer but yes lets the robot move.

    Attributes:
        console, tree: Where the question goes; the tree stands still meanwhile.
        asking: A question is open: Ctrl-C then ends the question, and with it the run.
    """

    console: Console
    tree: LiveTree
    asking: bool = False

    def __call__(self, question: Question) -> str:
        """AGREED, DECLINED, or ENDED by Ctrl-C."""
        words = "Run this program?" if question.unit is None else f"May the robot move for {question.what}?"
        self.tree.pause()
        self.asking = True
        forget_typed()
        try:
            return AGREED if Confirm.ask(Text(words), console=self.console, default=False) else DECLINED
        except EOFError:
            return DECLINED
        except KeyboardInterrupt:
            return ENDED
        finally:
            self.asking = False
            self.tree.resume()


def forget_typed() -> None:
    """Drop what was typed before the question: a second "y" for the last one must not answer this one."""
    try:
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)
    except (ImportError, OSError, ValueError, termios.error):
        return  # no terminal, or none that keeps what is typed ahead
