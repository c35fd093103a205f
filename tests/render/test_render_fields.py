"""Fields, badges, banners, links and tags of a note; what its content hash rests on."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from rendering import MEDIA, field, markdown, one, parsed, rendered

from generator.notes import MediaFile, Verdict
from generator.render import render_deck
from generator.render.fields import version_badge

TOPIC = """## Q?
<!-- id: a -->

A [link][r].

```python
print(work())
```

```output
1
```
"""
LINKS = "[r]: https://a.b\n\n"
SETUP = "```python setup\ndef work(): return 1\n```\n\n"
WHOLE = SETUP + LINKS + TOPIC


def test_field_names_and_order_are_frozen() -> None:
    """The schema that the first release freezes."""
    assert [name for name, _ in one("## Q?\n<!-- id: a -->\n\nA.\n").fields] == [
        *("Id", "Question", "Answer", "Extra", "Reverse", "TypeAnswer", "Notice", "Source", "Badge", "Kind"),
        *("Spare1", "Spare2", "Spare3", "Spare4"),
    ]
    assert [name for name, _ in one("## Q {{c1::x}}\n<!-- id: a -->\n").fields] == [
        *("Id", "Text", "Back", "Extra", "Notice", "Source", "Badge", "Kind", "Spare1", "Spare2", "Spare3", "Spare4")
    ]


def test_template_names_and_plain_fronts() -> None:
    """Forward, Reverse and Cloze; fronts ask for the plain field, so that nobody's rule of required fields errs."""
    product, _ = rendered("## Q?\n<!-- id: a -->\n\nA.\n")
    assert [template.name for template in product.basic] == ["Forward", "Reverse"]
    assert "{{Question}}" in product.basic[0].front
    assert "{{#Reverse}}" in product.basic[1].front
    assert "{{cloze:Text}}" in product.cloze[0].front
    assert "{{cloze:Text}}" in product.cloze[0].back


def test_templates_and_style_act_on_nothing() -> None:
    """No script, no request, no colour outside the style sheet."""
    product, _ = rendered("## Q?\n<!-- id: a -->\n\nA.\n")
    for template in (*product.basic, *product.cloze):
        for face in (template.front, template.back):
            assert not re.search(r"<script|\bon\w+=|style=|https?:|<link", face)
    assert not re.search(r"@import|url\(|expression", product.css)


@pytest.mark.parametrize(
    ("written", "badge"),
    [
        ("", ""),
        (">=3.12", "3.12+"),
        (">= 3.12", "3.12+"),
        (">=3.11,<3.14", "3.11\N{EN DASH}3.13"),
        ("<3.14,>=3.11", "3.11\N{EN DASH}3.13"),
        (">=3.12,<3.13", "3.12"),
        ("<3.12", "<3.12"),
        ("==3.12.*", "==3.12.*"),
        (">=3.11,<4", ">=3.11,<4"),
        (">=3.11,!=3.12", ">=3.11,!=3.12"),
        (">=3.12.1", ">=3.12.1"),
        (">=3.11,>=3.12", ">=3.11,>=3.12"),
    ],
)
def test_version_badge(written: str, badge: str) -> None:
    """Ranges as a reader says them; what has no short form stays as written."""
    assert version_badge(written) == badge


def test_badge_is_the_notes_own_range_only() -> None:
    """The deck's range makes no badge; a file's does, and it is shown as text."""
    config = 'python: ">=3.11"\n'
    assert field(one("## Q?\n<!-- id: a -->\n\nA.\n", config=config), "Badge") == ""
    own = field(one('## Q?\n<!--\nid: a\npython: "<3.13"\n-->\n\nA.\n', config=config), "Badge")
    assert ">&lt;3.13</span>" in own


@pytest.mark.parametrize(
    ("verdict", "policy", "shown"),
    [
        (Verdict.VERIFIED, "mark", False),
        (Verdict.NO_CODE, "mark", False),
        (Verdict.NOT_RUN, "mark", True),
        (Verdict.OUT_OF_RANGE, "mark", True),
        (Verdict.FAILED, "mark", True),
        (Verdict.NOT_RUN, "strict", False),
        (Verdict.NOT_RUN, "off", False),
        (Verdict.NORUN, "strict", True),
    ],
)
def test_not_run_label(verdict: Verdict, policy: str, shown: bool) -> None:
    """The label follows the deck's policy, and an author's `norun` always has it."""
    badge = field(one("## Q?\n<!-- id: a -->\n\nA.\n", verdict, config=f"verify: {policy}\n"), "Badge")
    assert ("not run" in badge) is shown


def test_author_says_why_code_is_not_run() -> None:
    """The reason of `norun` is the label's title, inert."""
    topic = '## Q?\n<!-- id: a -->\n\nA.\n\n```python norun="needs [sound:x] & a <net>"\nx()\n```\n'
    assert 'title="needs &#91;sound:x&#93; &amp; a &lt;net&gt;"' in field(one(topic, Verdict.NORUN), "Badge")


def test_source_and_report_links() -> None:
    """The author's source, the file, and an issue form that names the note; nothing depends on a line."""
    config = 'repository: "https://github.com/o/r/"\n'
    topic = "## Q?\n<!--\nid: a\nsource: see https://docs.python.org/3/\n-->\n\nA.\n"
    html = field(one(topic, config=config), "Source")
    assert 'see <a href="https://docs.python.org/3/">https://docs.python.org/3/</a>' in html
    assert 'href="https://github.com/o/r/blob/HEAD/deck/02-tasks.md"' in html
    assert 'href="https://github.com/o/r/issues/new?title=Card%20a&amp;body=Card%3A%20a%0A' in html
    assert field(one("\n\n\ntext\n\n" + topic, config=config), "Source") == html
    assert field(one("## Q?\n<!-- id: a -->\n\nA.\n"), "Source") == ""


def test_banners_are_words_and_tags_follow() -> None:
    """Retired and corrected notes say so in words, and carry the deck's tags."""
    topic = '## Q?\n<!--\nid: a\nretired: "see `b`"\ncorrected: "was wrong"\ntags: [t]\n-->\n\nA.\n'
    note = one(topic, folder="my deck")
    assert field(note, "Notice") == (
        '<div class="banner retired"><strong>Retired.</strong> see <code>b</code></div>'
        '<div class="banner corrected"><strong>Corrected.</strong> was wrong</div>'
    )
    assert note.tags == ("t", "my-deck::retired", "my-deck::corrected")
    product, _ = rendered(topic, version="1.2.0")
    assert product.notes[0].tags[-1] == "deck::corrected::1.2.0"


def test_roles_of_fences() -> None:
    """Set-up and checks are not shown; output has a caption; a bug in a question has one too."""
    topic = (
        "## Q?\n<!-- id: a -->\n\n```python bug=never-awaited\nasync def f(): ...\nf()\n```\n\n### Answer\n\n"
        "```python setup\nhidden = 1\n```\n\n```python\nprint(hidden)  #> 1\n```\n\n```output\n1\n```\n\n"
        "```python check\nassert hidden\n```\n\n```python\npass\n```\n\n```output\n```\n"
    )
    note = one(topic)
    question, answer = field(note, "Question"), field(note, "Answer")
    assert '<figure class="bug"><figcaption>This code has a bug</figcaption><pre>' in question
    assert "hidden = " not in answer
    assert "assert" not in answer
    assert '<span class="expect">#&gt; 1</span>' in answer
    assert '<figure class="output"><figcaption>Output</figcaption><pre>' in answer
    assert '<figure class="output"><figcaption>No output</figcaption></figure>' in answer
    assert field(note, "Kind") == "bug"


def test_fence_in_a_list_item_stays_in_place() -> None:
    """A fence inside an item is shown there, dedented."""
    html = field(
        one("## Q?\n<!-- id: a -->\n\n1. do\n\n   ```python\n   if 1:\n       x = 1\n   ```\n2. done\n"), "Answer"
    )
    item = html.split("<li>")[1]
    assert '<span class="line"><span class="k">if</span>' in item
    assert '<span class="line d1">    x = ' in item


def test_code_is_shown_exactly() -> None:
    """Highlighting changes no character: blank lines, tabs, trailing blanks, odd characters."""
    code = "x = 1\n\n\n\ty = 'a\\tb'  \n\n# \u202e\u00e9 {{c1::z}} <T> &amp;"
    html, _ = markdown(f"```python\n{code}\n```\n")
    shown = re.sub(r"<[^>]*>", "", html)
    for entity, char in (
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&#123;", "{"),
        ("&#125;", "}"),
        ("&#92;", "\\"),
        ("&#58;", ":"),
    ):
        shown = shown.replace(entity, char)
    assert shown.replace("&amp;", "&").strip("\n") == code.replace("\u202e", "\u27e8U+202E\u27e9")


def test_picture_gets_its_packed_name() -> None:
    """In Markdown and in HTML; the note carries each file once."""
    topic = "## Q?\n<!-- id: a -->\n\n![a [b] \"c\"](media/loop.png)\n\n<img src='media/loop.png' alt='d' width=20>\n"
    note = one(topic)
    assert field(note, "Answer") == (
        '<p><img src="loop-0a1b.png" alt="a &#91;b&#93; &quot;c&quot;"></p>\n'
        '<img src="loop-0a1b.png" alt="d" width="20">'
    )
    assert note.media == (MEDIA["loop.png"],)


MATH = {
    "inline": ("so $a_b * c_d * e$ is", "so \\(a_b * c_d * e\\) is"),
    "display": ("$$\na_{b} < c\n$$", "\\[\na_&#123;b&#125; &lt; c\n\\]"),
    "display in a line": ("so $$x$$ is", "so \\[x\\] is"),
    "in backticks": ("so $`a_b`$ is", "so \\(a_b\\) is"),
    "list-like lines": ("text\n$$\na\n- b\n= c\n$$", "\\[\na\n- b\n= c\n\\]"),
    "money": ("it costs $5 and $6, or US$7 to $8.", "it costs $5 and $6, or US$7 to $8."),
    "escaped": ("\\$a\\$ b", "$a$ b"),
    "code wins": ("`a $b` c$ and $d `e$` f", "<code>a $b</code> c$ and $d <code>e$</code> f"),
    "environment": ("$$\n\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}\n$$", "&amp;= b \\\\ c &amp;="),
    "fence": ("```math\na_b\n```", "\\[a_b\n\\]"),
}


@pytest.mark.parametrize(("source", "shown"), MATH.values(), ids=MATH)
def test_math_reaches_mathjax_as_written(source: str, shown: str) -> None:
    """By GitHub's rules of where math is; Markdown does not touch it."""
    assert shown in field(one(f"## Q?\n<!-- id: a -->\n\n{source}\n"), "Answer")


def test_text_is_shown_not_obeyed() -> None:
    """Control and direction characters are written out."""
    assert markdown("a\u202eb")[0] == "<p>a\u27e8U+202E\u27e9b</p>"
    assert markdown("a\U000f0000b \U0010fffdc")[0] == "<p>a\ufffdb \ufffdc</p>"


def test_description_is_html_with_the_promise() -> None:
    """The author's Markdown, then what a learner may count on."""
    product, _ = rendered("## Q?\n<!-- id: a -->\n\nA.\n", config='description: "Cards about **tasks**."\n')
    assert product.description.startswith("<p>Cards about <strong>tasks</strong>.</p>")
    assert "cards that did not change are never touched" in product.description


# --- content ----------------------------------------------------------------------------------------------------------


def content(topic: str = WHOLE, verdict: Verdict = Verdict.VERIFIED, **options: str) -> str:
    return one(topic, verdict, **options).content


MOVES = {
    "heading": WHOLE.replace("Q?", "Which?"),
    "answer": WHOLE.replace("A [", "An ["),
    "code": WHOLE.replace("print(work())", "print(work() )"),
    "output": WHOLE.replace("```output\n1", "```output\n2"),
    "tags": WHOLE.replace("id: a -->", "id: a\ntags: [t]\n-->"),
    "version": WHOLE.replace("id: a -->", 'id: a\npython: ">=3.12"\n-->'),
    "source": WHOLE.replace("id: a -->", "id: a\nsource: s\n-->"),
    "retired": WHOLE.replace("id: a -->", "id: a\nretired: why\n-->"),
    "corrected": WHOLE.replace("id: a -->", "id: a\ncorrected: why\n-->"),
    "extra": WHOLE + "\n### Extra\n\nE.\n",
    "set-up": WHOLE.replace("return 1", "return 1 "),
    "link": WHOLE.replace("https://a.b", "https://a.c"),
    "hard break": WHOLE.replace("A [link][r].", "A  \n[link][r]."),
}


@pytest.mark.parametrize("topic", MOVES.values(), ids=MOVES)
def test_content_moves_with_what_the_author_wrote(topic: str) -> None:
    """Each of these is news to a learner."""
    assert topic != WHOLE
    assert content(topic) != content()


STAYS = {
    "neighbour above": SETUP + LINKS + "## Other?\n<!-- id: b -->\n\nB.\n\n" + TOPIC,
    "lines above": SETUP + LINKS + "Prose.\n\n\n" + TOPIC,
    "trailing blanks": WHOLE.replace("A [link][r].", "A [link][r]. ") + " \n\n",
    "unused link": WHOLE.replace(LINKS, LINKS + "[other]: https://c.d\n\n"),
    "blank line below the heading": WHOLE.replace("## Q?\n", "## Q?\n\n"),
    "closing marks": WHOLE.replace("## Q?", "## Q? ##"),
}


@pytest.mark.parametrize("topic", STAYS.values(), ids=STAYS)
def test_content_stays_with_what_a_learner_cannot_see(topic: str) -> None:
    """None of these changes the card."""
    product, _ = rendered(topic, {"a": Verdict.VERIFIED})
    assert next(note.content for note in product.notes if note.note.id == "a") == content()


def test_content_moves_with_the_reverse_card() -> None:
    """A second card is news."""
    topic = "## Q?\n<!-- {id: a} -->\n\nA.\n"
    assert content(topic) != content(topic.replace("id: a", "id: a, reversed: true"))


def test_content_does_not_rest_on_names_or_runs() -> None:
    """File, folder, deck name and verdict have no part in it; repository, prelude and media have."""
    assert content(name="07-else.md") == content(folder="elsewhere") == content()
    assert content(verdict=Verdict.NOT_RUN) == content()
    assert content(config='repository: "https://a.b/c"\n') != content()
    assert content(config='prelude: "import math"\n') != content()
    deck = parsed("## Q?\n<!-- id: a -->\n\n![x](media/loop.png)\n")
    changed = replace(deck, media={"loop.png": replace(deck.media["loop.png"], packed="loop-ffff.png")})
    contents = {render_deck(item, {})[0].notes[0].content for item in (deck, changed)}
    assert len(contents) == 2


def test_media_file_is_never_read() -> None:
    """The stage is pure: files of media/ need not exist."""
    assert not any(file.path.exists() for file in MEDIA.values())
    assert isinstance(MEDIA["loop.png"], MediaFile)
    assert one("## Q?\n<!-- id: a -->\n\n![x](media/loop.png)\n").media
