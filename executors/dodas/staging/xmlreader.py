"""XML from servers, read piece by piece: no document types, no entities, and no more memory than is wanted.

What expat keeps for the whole of a document are the names in it; a server that makes up millions of them is
refused, as is one that begins something and never ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn
from xml.parsers import expat

from dodas.errors import Corrupt

_MOST_NAMES = 4096
_HINT = "the server, or a proxy before it, answers with something that no storage should"


class Reader:
    """Reads one document, and tells what is in it while it comes.

    Attributes:
        quiet: Bytes that came since this was last set to 0; its owner does that when something ended.
    """

    def __init__(
        self,
        what: str,
        *,
        start: Callable[[str, dict[str, str]], None],
        end: Callable[[str], None],
        most: int,
        encoding: str | None = None,
    ) -> None:
        """Begin.

        Args:
            what: The document, for errors; nothing secret in it.
            start: Told of an element, as ``NAMESPACE|NAME``, and its attributes.
            end: Told that an element is over.
            most: Bytes that may come until ``quiet`` is set to 0 again.
            encoding: Instead of what the document says.
        """
        self.quiet = 0
        self._what, self._most = what, most
        self._pieces: list[str] = []
        self._prefixes: set[str | None] = set()
        self._parser = expat.ParserCreate(encoding, "|")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = start
        self._parser.EndElementHandler = end
        self._parser.CharacterDataHandler = self._pieces.append
        self._parser.StartNamespaceDeclHandler = self._namespace
        self._parser.StartDoctypeDeclHandler = self._document_type

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """Read the next bytes, of which ``last`` says that they are the last.

        Raises:
            Corrupt: It is no XML, or more than anybody would want to read.
        """
        self.quiet += len(data)
        try:
            self._parser.Parse(data, last)
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise Corrupt(f"{self._what} is no XML: {error}", hint=_HINT) from error
        if self.quiet > self._most:
            self.refuse("has an element without end")
        if len(self._parser.intern or ()) + len(self._prefixes) > _MOST_NAMES:
            self.refuse("has too many names of elements")

    def collect(self) -> None:
        """Forget the text that came; what comes now is wanted."""
        self._pieces.clear()

    def text(self) -> str:
        """Return the text that came since :meth:`collect`."""
        return "".join(self._pieces)

    def refuse(self, problem: str) -> NoReturn:
        """Give up the document, of which ``problem`` says what it has or is."""
        raise Corrupt(f"{self._what} {problem}", hint=_HINT)

    def _namespace(self, prefix: str | None, _: str) -> None:
        self._prefixes.add(prefix)

    def _document_type(self, *_: object) -> None:
        self.refuse("has a document type, which could define entities")
