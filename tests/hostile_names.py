"""Names of files that some part on the way could take for something else."""

from __future__ import annotations

NAMES = (
    *("plain", "a b", " a", "a ", "a%20b", "%2F", "%", "a%zz", "100%", "a+b", "a&b", "a&amp;b", "a'b", 'a"b'),
    *("<b>", "a;b", "a#b", "#", "a*b", "[x]", "a\\b", "a:b", "http:", "~t", "a=b", "a,b", "@x", "-x"),
    *(
        "--help",
        ".hidden",
        "...",
        "ü",
        "u\u0308",
        "日本",
        "😀",
        "x" * 200,
        "ü" * 100,
        "$(id)",
        "`id`",
        "{a}",
        "a|b",
    ),
    *("^a", "a\u00a0b", "\u202egnp.txt", "CON", "a.part", ".dodas-x.part"),
)
# XRootD takes what follows a question mark for parameters, and writes lists a line for each name.
QUESTIONS = ("a?b", "?", "a?authz=x", "b?")
CONTROLS = ("a\nb", "a\tb", "a\rb", "\x7f", "\x01")
