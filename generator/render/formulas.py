"""Math: which TeX may reach MathJax.

MathJax in Anki loads extensions on demand, and some of its commands make links, load files, set styles or define
other commands. So commands and environments are taken from a list; all else is an error.
"""

from __future__ import annotations

import re

from generator.render.marks import SpanOf, plain
from generator.render.problems import MATH_BRACES, MATH_COMMAND, MATH_DOLLAR, Problems

_WORDS = """
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi omicron pi varpi rho
    varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi
    Omega aleph hbar ell imath jmath Re Im partial nabla infty emptyset varnothing
    frac dfrac tfrac cfrac binom dbinom tbinom sqrt overline underline overbrace underbrace overrightarrow
    overleftarrow widehat widetilde hat check tilde acute grave dot ddot breve bar vec stackrel overset underset
    sum prod coprod int iint iiint oint bigcup bigcap bigsqcup bigvee bigwedge bigoplus bigotimes lim limsup liminf
    max min sup inf arg det dim ker deg gcd hom exp log ln lg sin cos tan cot sec csc arcsin arccos arctan sinh cosh
    tanh coth Pr limits nolimits operatorname bmod pmod mod
    pm mp times div cdot ast star circ bullet cap cup uplus sqcap sqcup vee wedge setminus wr diamond bigtriangleup
    bigtriangledown triangleleft triangleright oplus ominus otimes oslash odot dagger ddagger amalg
    le leq ge geq lt gt ne neq equiv sim simeq cong approx asymp doteq propto prec succ preceq succeq ll gg subset
    supset subseteq supseteq nsubseteq nsupseteq subsetneq supsetneq sqsubseteq sqsupseteq in ni notin models vdash
    dashv perp mid nmid parallel nparallel smile frown bowtie not leqslant geqslant lesssim gtrsim lnot neg land lor
    forall exists nexists top bot angle triangle square blacksquare therefore because prime backslash
    to gets leftarrow rightarrow leftrightarrow Leftarrow Rightarrow Leftrightarrow longleftarrow longrightarrow
    longleftrightarrow Longleftarrow Longrightarrow Longleftrightarrow mapsto longmapsto hookleftarrow hookrightarrow
    uparrow downarrow updownarrow Uparrow Downarrow Updownarrow nearrow searrow swarrow nwarrow rightharpoonup
    rightharpoondown leftharpoonup leftharpoondown rightleftharpoons leadsto iff implies impliedby xleftarrow
    xrightarrow
    left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm Bigm lvert rvert lVert rVert
    vert Vert langle rangle lfloor rfloor lceil rceil lbrace rbrace lbrack rbrack
    mathrm mathbf mathit mathsf mathtt mathbb mathcal mathfrak mathscr boldsymbol bf rm it text textrm textbf textit
    texttt textsf mbox displaystyle textstyle scriptstyle scriptscriptstyle
    quad qquad enspace thinspace phantom hphantom vphantom ldots cdots vdots ddots dots dotsb dotsc dotsm
    colon boxed cancel substack hline cr begin end S checkmark tag notag nonumber
    mathring dddot ddddot overleftrightarrow underrightarrow underleftarrow underleftrightarrow bcancel xcancel
    varGamma varDelta varOmega varPhi varSigma varkappa digamma beth gimel daleth eth wp mho complement surd Bbb
    over atop choose brace brack root of fbox smash mathstrut rlap llap hspace displaylimits pmb
    mathop mathbin mathrel mathord mathopen mathclose mathpunct mathinner sf tt cal frak textup textnormal
    tiny scriptsize small normalsize large Large LARGE huge Huge negthinspace ldotp cdotp dotsi dotso
    iiiint idotsint bigodot biguplus injlim projlim varlimsup varliminf varinjlim varprojlim
    lgroup rgroup lmoustache rmoustache ulcorner urcorner llcorner lrcorner
    nleftarrow nrightarrow nLeftarrow nRightarrow nLeftrightarrow rightsquigarrow leftrightsquigarrow
    twoheadrightarrow twoheadleftarrow rightarrowtail rightrightarrows leftleftarrows leftrightarrows rightleftarrows
    leftrightharpoons rightharpoondown leftharpoonup leftharpoondown upuparrows downdownarrows circlearrowleft
    circlearrowright curvearrowright dashrightarrow dashleftarrow upharpoonright restriction Lsh Rsh multimap
    nleq ngeq nless ngtr leqq geqq lneq gneq lneqq gneqq lll ggg lessgtr gtrless lesseqgtr lessdot gtrdot lessapprox
    gtrapprox eqslantless eqslantgtr nprec nsucc precsim succsim preccurlyeq succcurlyeq curlyeqprec curlyeqsucc
    ncong nsim approxeq thickapprox thicksim backsim eqsim eqcirc circeq triangleq bumpeq Bumpeq doteqdot
    fallingdotseq risingdotseq varpropto sqsubset sqsupset subseteqq supseteqq nsubseteqq subsetneqq varsubsetneq
    Subset Supset Cap Cup owns backepsilon between pitchfork Vdash vDash Vvdash nvdash nvDash nVdash
    vartriangleleft vartriangleright trianglelefteq trianglerighteq ntriangleleft lhd rhd unlhd unrhd
    shortmid shortparallel nshortmid ltimes rtimes leftthreetimes intercal divideontimes dotplus smallsetminus
    centerdot boxplus boxminus boxtimes boxdot circledast circledcirc barwedge veebar curlywedge curlyvee bigcirc
    vartriangle triangledown blacktriangle lozenge blacklozenge bigstar Diamond Box spadesuit heartsuit diamondsuit
    clubsuit flat natural sharp sphericalangle measuredangle maltese circledR yen
"""
"""What MathJax knows without an extension that Anki lacks, or had to learn late, and what does nothing but draw."""
_COMMANDS = frozenset(_WORDS.split())
_SYMBOLS = frozenset("\\,;:!> {}|%&_#$\n")
_NAMES = (
    "matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix cases array aligned gathered split align align* "
    "gather gather* equation equation* alignat alignat* alignedat multline multline* eqnarray eqnarray* subarray"
)
_ENVIRONMENTS = frozenset(_NAMES.split())
_HINTS = {
    "color textcolor colorbox": "Colours are the card's own: stress with `\\boldsymbol{…}` or `\\boxed{…}`.",
    "ce pu": "Not every Anki has mhchem: write `\\mathrm{H_2O}`, or `H<sub>2</sub>O` outside math.",
    "degree": "Write `^\\circ`.",
    "bm": "Write `\\boldsymbol{…}`.",
    "label ref eqref": "Say in words what is meant; `\\tag{…}` gives a formula a number.",
    "newcommand renewcommand def": "Write out what it stands for; a name is `\\operatorname{…}`.",
}
_INSTEAD = {name: hint for names, hint in _HINTS.items() for name in names.split()}
"""What to write in place of commands that authors know."""
_COMMAND = re.compile(r"\\([A-Za-z]+|.|\Z)", re.DOTALL)
_DOLLAR = re.compile(r"(?:[^\\$]|\\.)*+\$", re.DOTALL)
_ENVIRONMENT = re.compile(r"\s*\{([^{}]*)\}")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


def check_math(source: str, span: SpanOf, problems: Problems, *, inline: bool) -> None:
    """Report what of a formula may not reach MathJax. `source` may hold marks; `span` takes offsets in it.

    A `$` in an `inline` one was meant to end it, or to begin none.
    """
    before = len(problems.found)
    dollar = _DOLLAR.match(source) if inline else None
    if dollar:
        hint = "Let no letter or digit follow the `$` that ends a formula: `$n$-th`; write `\\$` for the sign itself."
        where = span(dollar.end() - 1, dollar.end())
        problems.add(MATH_DOLLAR, where, "this `$` stands inside the formula that began before it", hint)
        return
    for match in _COMMAND.finditer(source):
        name = match.group(1)
        where = span(match.start(), match.end())
        if name in ("begin", "end"):
            _check_environment(source, match, span, problems)
        elif name not in _COMMANDS and name not in _SYMBOLS:
            other = "Write it with other commands; for text that only looks like math, write it as code or `\\$`."
            what = f"`{plain(match.group())}` is not among the math commands for cards"
            problems.add(MATH_COMMAND, where, what, _INSTEAD.get(name, other))
    if len(problems.found) == before:
        _check_braces(source, span, problems)


def _check_environment(source: str, match: re.Match[str], span: SpanOf, problems: Problems) -> None:
    named = _ENVIRONMENT.match(source, match.end())
    if named is None or named.group(1) not in _ENVIRONMENTS:
        end = named.end() if named else match.end()
        shown = plain(source[match.start() : end])
        hint = "Use `aligned`, `cases`, `array` or one of the matrix environments."
        problems.add(MATH_COMMAND, span(match.start(), end), f"`{shown}` is not among the environments for cards", hint)


def _check_braces(source: str, span: SpanOf, problems: Problems) -> None:
    opened: list[int] = []
    for match in _BRACE.finditer(source):
        if match.group() == "{":
            opened.append(match.start())
        elif match.group() == "}" and not opened:
            opened.append(match.start())
            break
        elif match.group() == "}":
            opened.pop()
    if opened:
        at = opened[-1]
        hint = f"Give it its other half, or write `\\{source[at]}` for the character itself."
        problems.add(MATH_BRACES, span(at, at + 1), f"this `{source[at]}` has no other half", hint)
