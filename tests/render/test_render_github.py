"""Markdown on a card means what it means on GitHub, whose own parser is asked."""

from __future__ import annotations

import re
from pathlib import Path

import cmarkgfm
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rendering import CONFIG, MEDIA, errors, field, markdown, structure

from generator.notes import DeckFolder
from generator.parse import parse_deck
from generator.render import render_deck
from generator.render.inert import sanitise

_OPTIONS = cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE | cmarkgfm.cmark.Options.CMARK_OPT_GITHUB_PRE_LANG


def github(text: str) -> str:
    """What GitHub's parser makes of a text, with comments out and through the sanitiser that cards have."""
    html = cmarkgfm.cmark.markdown_to_html_with_extensions(
        text if text.endswith("\n") else text + "\n", _OPTIONS, ["table", "autolink", "strikethrough", "tasklist"]
    )
    return sanitise(re.sub(r"<!---?>|<!--.*?-->", "", html, flags=re.DOTALL))


CONSTRUCTS = {
    "list after a paragraph line": "text\n- one\n- two\n",
    "ordered list cannot interrupt unless it starts at 1": "text\n3. three\n",
    "list nested by two spaces": "- a\n  - b\n    - c\n- d\n",
    "list that starts at 3": "3. c\n4. d\n",
    "list with parenthesis": "2) b\n3) c\n",
    "loose list": "- a\n\n- b\n",
    "empty item at the end": "- a\n-\n\ntext\n\n1. b\n2.\n\n> c\n",
    "loose item with two paragraphs": "- a\n\n  more\n- b\n",
    "fence in an item": "1. do\n\n   ```python\n   x = 1\n   ```\n2. done\n",
    "fence in a tight item": "- a\n  ```text\n  b\n  ```\n- c\n",
    "tilde fence": "~~~text\n```\n~~~\n",
    "long fence around a short one": "````text\n```\nx\n```\n````\n",
    "table after a line": "text\na | b\n--|--\n1 | 2\n",
    "table with alignment": "| a | b | c |\n|:--|:-:|--:|\n| 1 | 2 | 3 |\n",
    "table with one column": "| a |\n|---|\n| b |\n",
    "table with a pipe in code": "| a | b |\n|---|---|\n| `x \\| y` | z |\n",
    "table with short and long rows": "| a | b |\n|---|---|\n| 1 |\n| 1 | 2 | 3 |\n",
    "table that ends at a quote": "| a |\n|---|\n| b |\n> q\n",
    "table that ends at a list": "| a |\n|---|\n- b\n",
    "table without body": "| a |\n|---|\n",
    "table with another number of columns": "| a |\n|---|---|\n",
    "quote with laziness": "> a\nb\n\n> c\n> - d\n",
    "quote in a list": "- > q\n  > r\n",
    "hard break by blanks": "a  \nb\n",
    "hard break by a backslash": "a\\\nb\n",
    "backslash escapes": "\\*a\\* \\_ \\# \\[x\\] \\<T> \\q\n",
    "one and two tildes": "~a~ ~~b~~ ~~~c~~~ ~~d~\n",
    "strong in strong": "****a**** __a __b__ c__\n",
    "emphasis in words": "a*b*c a_b_c **a**b\n",
    "rule of three": "***a** b* *a **b*** **a*b**\n",
    "symbols beside emphasis": "**\u20ac5**x **~~a~~**b\n",
    "bare addresses": "see https://a.org/b?c=d, http://x.y. and www.z.de/q_(r).\n",
    "addresses in odd places": '(www.a.de) *https://b.c* "https://d.e"  xhttp://h.i\n',
    "address in brackets": "[https://a.b and www.c.d\n",
    "underscores in host names": "www.a_b.c http://a.b_c https://a_b.c.d\n",
    "address with an entity at the end": "https://a.b/?c&copy; https://a.b/?c&d;\n",
    "mail addresses": "me@x.org, a.b+c@d-e.org. mailto:q@r.st a@b a@b.c1\n",
    "autolinks": "<https://a.b/c?d> <me@x.org> <mailto:a@b.c>\n",
    "less than": "a < b and c > d, 1<2, x<-y\n",
    "entities": "&copy; &amp;copy; &#35; &nosuch; &lt;b&gt;\n",
    "long entities": "&#00000066; &#x0000041; &#X041; &#12345678; &#x1234567; &#123456789; &#x123456789;\n",
    "code spans": "`` a`b `` ` x ` `` ` `` `a\nb` `*x*`\n",
    "links and titles": "[a](https://b.c 'd') [e][r] [r] [r][]\n\n[r]: <https://f.g> (h)\n",
    "brackets that are no link": "[a] [b](c [d] ](e) ![x\n",
    "picture": '![a *b*](media/loop.png "t")\n',
    "task list": "- [ ] a\n- [x] b\n- [X] c\n- [y] d\n1. [ ] e\n",
    "task list with marks": "- [ ] **a** b\n- [x] `c`\n- [ ] *d* [e](https://f)\n- [x] ~~g~~\n",
    "loose task list": "- [ ] a\n\n- [x] b\n",
    "headings in text": "#### four\n##### five #\n###### six ##\n#nohash\n",
    "rules": "a\n\n---\n\n* * *\n___\n",
    "comments": "a <!-- b --> c\n\n<!-- d\n\ne -->\nf\n",
    "inline HTML": "a <kbd>Ctrl</kbd> <sub>2</sub> <br> b\n",
    "HTML block": '<div align="center">\n\n**a**\n\n</div>\n',
    "end of a line break": "a</br>b\n",
    "targets and ways to open": '<a id="x" name="y"></a><a href="https://u" target="_blank" rel="me">a</a>\n',
    "cells of HTML": '<table><tr valign="top"><th scope="row" width="9">a</th><td valign="top">b</td></tr></table>\n',
    "picture at the side": '<img src="media/loop.png" alt="a" align="right"> b\n',
    "details": "<details><summary>S</summary>\n\ntext\n\n- a\n\n</details>\n",
    "lone tag below an item": "- t\n<br>\nmore\n",
    "lone tag below a quote": "> t\n<br>\nmore\n",
    "lone tag in a paragraph": "t\n<br>\nmore\n",
    "dashes that make no table": "p\n-|-\n-|-\n",
    "definition above a table": "[r]: https://a.b\na | b\n---|---\n",
    "definition with text below": "[r]: https://a.b\ntext [r]\n",
    "row of dashes behind a rule": "[x|y]: https://u\n* * *\n|---|\n",
    "table with rows in a tight list": "- |a|\n  |-|\n  |b|\n- c\n",
    "underline below pipes": "| a |\n---\n",
    "marks that no run of their length opens": "**_*_* *a**b c***** *****Hello*world****\n",
    "marks at the end of a link's text": "[_a*__](https://u) [**b`*](https://u) [~a~~](https://u)\n",
    "tildes between marks": "*~**~** __~_~_ __~~_~~_\n",
    "description with tags, math and code": "![a <b>x</b> `c` $y$](media/loop.png)\n",
    "address inside a tag for links": '<a href="https://x">https://y</a>\n',
    "tabs": "-\ta\n\n\tb\n1.\tc\n",
    "indented code": "a\n\n    b\n",
    "nested mixture": "1. a\n   > b\n   > 1. c\n   >    | d |\n   >    |---|\n   >    | e |\n2. f\n",
}


@pytest.mark.parametrize("text", CONSTRUCTS.values(), ids=CONSTRUCTS)
def test_construct_has_githubs_structure(text: str) -> None:
    """Each construct gives the elements and the text that it gives on GitHub, and no complaint."""
    html, found = markdown(text)
    assert errors(found) == []
    assert structure(html) == structure(github(text))


SECTIONS = re.compile(r"^<h2>(.*?)</h2>$", re.MULTILINE | re.DOTALL)


def assert_notes_like_github(body: str) -> None:
    """Notes begin where GitHub shows headings of level 2, and their answers are what it shows below them."""
    topic = f"## Q?\n<!-- id: a -->\n\n{body}\n\nend\n\n## R?\n<!-- id: b -->\n\nend\n"
    files = (("01.md", f"---\ndeck: T\n---\n{topic}".encode()),)
    deck, found = parse_deck(DeckFolder(Path("deck"), "deck", CONFIG.encode(), files, MEDIA))
    assert deck is not None
    product, faults = render_deck(deck, {})
    if errors([*found, *faults]):
        return
    _, *sections = SECTIONS.split(github(topic))
    notes = [(note.note.heading.text, structure(field(note, "Answer"))) for note in product.notes]
    assert notes == [(name, structure(part)) for name, part in zip(sections[::2], sections[1::2], strict=True)]


@pytest.mark.parametrize("body", ["| a |\n---\n", "[s]:\n--\n", "[a\n--\nb]: /u\n", "> q\n| a |\n--\n"])
def test_an_underline_makes_a_heading_of_anything(body: str) -> None:
    """No table and no link definition hides from the parser a heading that GitHub shows."""
    assert_notes_like_github(body)


def test_no_break_spaces_at_the_edges_of_a_paragraph_stay() -> None:
    """GitHub trims blanks and tabs only: an author indents with the others."""
    text = "\xa0\xa0a \n"
    assert markdown(text)[0] == github(text).strip() == "<p>&nbsp;&nbsp;a</p>"


def assert_like_github(text: str) -> None:
    """The card shows what GitHub shows, or there is an error that says where it would not."""
    html, found = markdown(text)
    if not errors(found):
        assert structure(html) == structure(github(text))


SCRAPS = (
    "a|b c|*|**|_|~|~~|`|``|[|](https://u)|]|<b>|</b>|<kbd>x</kbd>|\\|\\*|&amp;|&copy|!|http://x.y|https://a.b/c|www.a.de"
    "|me@x.org|.|,|)|(|;|:|'| |\n| |\u00e9|\u20ac|#|<T>|<!-- c -->|![a](media/loop.png)|<https://q.r>|[r]|  \n"
)
WORDS = st.sampled_from(SCRAPS.split("|"))
LINES = st.sampled_from(
    [
        *(
            "a\n",
            "b c\n",
            "- a\n",
            "  - b\n",
            "1. x\n",
            "3. y\n",
            "> q\n",
            "> - r\n",
            "    ind\n",
            "| a | b |\n",
            "---\n",
        ),
        *("|---|:-:|\n", "| 1 |\n", "a | b\n", "---|---\n", "===\n", "#### h #\n", "\n", "\n\n", "- [ ] t\n", "\\\n"),
        *("- [x] u\n", "* * *\n", "<div>\n", "</div>\n", "<!-- c -->\n", "2) p\n", "+ a\n", "   two\n", "\n  more\n"),
        *(
            "```text\ncode\n```\n",
            "- c\n\n  ```text\n  d\n  ```\n",
            "\n[r]: https://u 'i'\n\n",
            "[r] `x`\n",
            "*e* **s**\n",
            *("\t- t\n", "\t|---|\n", "  ---|---\n", "    - far\n", "-\n", "1.\n", "--\n", "-|-\n", "|\n", ":-:\n"),
            *("[r]: https://u\n", "[s]:\n", "[x|y]: /u\n", "[a\n", "b]: /u\n", "| a |\n", "|---|\n", "<br>\n", "\t\n"),
        ),
    ]
)
NOISE = st.text(alphabet="*_~`[]()<>!#-+=|\\ \n\t&;\"'1.ab@w/:", max_size=40)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(WORDS, max_size=14).map("".join))
def test_words_mean_what_they_mean_on_github(text: str) -> None:
    """Mixtures of inline markup."""
    assert_like_github(text)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(LINES, max_size=10).map("".join))
def test_lines_mean_what_they_mean_on_github(text: str) -> None:
    """Mixtures of block structure, as notes have it."""
    assert_like_github(text)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(LINES, max_size=6).map("".join))
def test_notes_begin_where_github_shows_headings(body: str) -> None:
    """Parser and renderer read the blocks of a file alike, and as GitHub does."""
    assert_notes_like_github(body)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(NOISE)
def test_noise_means_what_it_means_on_github(text: str) -> None:
    """Random text with all the characters that Markdown looks at."""
    assume("```" not in text)  # a fence that is never closed is the parser's error
    assert_like_github(text)
