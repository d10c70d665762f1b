"""Names that look like other names: a skeleton that look-alikes share, and alphabets mixed in one name.

After Unicode Technical Standard 39 (skeletons, mixed-script detection), cut down to what can pass for the letters,
digits and hyphens of a tool's name. Threat S3: a tool that is taken for another server's.
"""

from __future__ import annotations

import unicodedata

_CYRILLIC = {
    "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "ё": "e", "ғ": "f", "һ": "h", "н": "h", "і": "i", "ї": "i",
    "ј": "j", "к": "k", "ӏ": "l", "м": "m", "п": "n", "о": "o", "р": "p", "ԛ": "q", "г": "r", "ѕ": "s", "т": "t",
    "ц": "u", "ѵ": "v", "ԝ": "w", "х": "x", "у": "y", "ү": "y", "з": "3", "ь": "b", "ӕ": "ae",
}  # fmt: skip
_GREEK = {
    "α": "a", "β": "b", "ϲ": "c", "ε": "e", "η": "n", "ι": "i", "ϳ": "j", "κ": "k", "μ": "u", "ν": "v", "ο": "o",
    "ρ": "p", "σ": "o", "τ": "t", "υ": "u", "χ": "x", "γ": "y", "ζ": "z", "ω": "w",
}  # fmt: skip
_OTHERS = {
    "ɑ": "a", "ɡ": "g", "ı": "i", "ɩ": "i", "ʟ": "l", "ո": "n", "օ": "o", "ս": "u", "ց": "g", "հ": "h", "ք": "p",
    "զ": "q", "ɾ": "r", "ꜱ": "s", "ʋ": "v", "ѡ": "w", "ᴀ": "a", "ʙ": "b", "ᴄ": "c", "ᴅ": "d", "ᴇ": "e", "ʜ": "h",
    "ɪ": "i", "ᴊ": "j", "ᴋ": "k", "ᴍ": "m", "ɴ": "n", "ᴏ": "o", "ᴘ": "p", "ʀ": "r", "ᴛ": "t", "ᴜ": "u", "ᴠ": "v",
    "ᴡ": "w", "ʏ": "y", "ᴢ": "z", "ł": "l", "ø": "o", "đ": "d", "ħ": "h",
    "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-", "ー": "-", "ˍ": "_", "․": ".",
}  # fmt: skip
_ALIKE = str.maketrans({**_CYRILLIC, **_GREEK, **_OTHERS})
_DIGITS = str.maketrans({"1": "l", "i": "l", "|": "l", "0": "o", "5": "s"})
_PAIRS = (("rn", "m"), ("vv", "w"))
_UNSEEN = frozenset({"Mn", "Me", "Cf", "Cc", "Cs"})  # marks, and what has no shape at all
_LOOK_LIKE_LATIN = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")


def skeleton(name: str) -> str:
    """Equal for names that a reader can take for one another; it is no name itself.

    >>> skeleton("read_fi1e") == skeleton("read_file") == skeleton("гead_filе")
    True
    """
    folded = unicodedata.normalize("NFKD", name).casefold()
    visible = "".join(char for char in folded if unicodedata.category(char) not in _UNSEEN)
    alike = visible.translate(_ALIKE).translate(_DIGITS)
    for pair, one in _PAIRS:
        alike = alike.replace(pair, one)
    return alike


def mixed_alphabets(text: str) -> tuple[str, ...]:
    """The alphabets of a name that has letters of several which look alike; empty for all others."""
    if text.isascii():
        return ()
    found = {
        alphabet
        for char in unicodedata.normalize("NFKC", text)
        if char.isalpha() and (alphabet := unicodedata.name(char, "").partition(" ")[0]) in _LOOK_LIKE_LATIN
    }
    return tuple(sorted(found)) if len(found) > 1 else ()
