"""Cut long texts into chunks that a model reads whole, by a token estimate that is never too low.

The model silently ignores the end of a chunk that is too long. A chunk that is too short only costs
a little. So the estimate is a *guaranteed* upper bound of the tokens that the uncased BERT
WordPiece tokenizer of the English bge models makes. It follows from how that tokenizer works:

- It splits at white space, punctuation and CJK ideographs. A word of n characters has at most n
  tokens.
- Within a word, it always takes the longest piece of its vocabulary that fits. So where a piece of
  the lists below fits, it takes this piece or a longer one. The worst case is found by going
  through the word backwards. The lists have the most frequent words and endings of the vocabulary,
  and all pieces of two letters or digits.
- A character outside of ASCII counts as one token, because the tokenizer drops it, splits at it, or
  keeps it. In scripts where Unicode decomposes it, it counts as three. An accented Latin letter
  counts as its base letter.

The median of estimate to true count is 1.47 on ordinary English. `tests/unit/test_chunking.py`
measures it, and compares the estimate with the real tokenizer over many scripts. The tokenizer of
bge-m3 is another one, but this model can read far longer texts than it is given.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CHUNKER_VERSION: Final[int] = 1
"""A part of a model's fingerprint. Raise it with every change that moves a cut."""

SPECIAL_TOKENS: Final = 2
"""[CLS] and [SEP], which the tokenizer adds to every text."""

MIN_MAX_TOKENS: Final = 128
"""The smallest limit of a chunk. A word of any script and an overlap always fit into it."""

FIRST_LOOK: Final = 16
"""Characters per token of the limit that are read first to find a first chunk."""

OVERLAP: Final = 0.15
"""The largest part of a chunk that repeats whole sentences of the chunk before."""

WORD_OVERLAP: Final = 0.12
"""The largest part that repeats single words, if the last sentence is longer than that."""

_MAX_RUN: Final = 20
"""Characters of a word that are estimated together. A longer word is estimated and cut in parts."""

_HEAD_PIECES: Final = """
the of and in to was he is as for on with that it his by at from her she you had an were but be
this are not my they one which or have him me first all also their has up who out been when after
there into new two its time would no what about said we over then other so more can if like back
them only some could where just during before do made school through than now years most world may
between down well three year while will later city under around did such being used state people
part know against your many second university both national these don known off way until re how
even get head didn team american because de born united film since still long work south us became
any high again day family see right man eyes house season war states including took life north
same each called name much place however go four group another found won area here going 10 away
series left home music best make hand number company several never last john 000 very album take
end good too following released game played little began district old want those side held own
early county ll league use west face think 2010 government march came small general town june line
based something september thought looked along international 2011 air july club went january
october our august april york 12 few 2012 2008 east show member college 2009 father public come
men five set station church next former november room party located december 2013 age got 2007
system let love 2006 though every 2014 look song water century without body black night within
great women single ve building large population river named band white started once 15 20 should
18 2015 service top built british open death king moved local times children february book why 11
door need president order final road wasn although due major died village third knew 2016 asked
turned st wanted say together received main son served different behind himself felt members power
football law voice play near park history 30 having 2005 16 saw mother army point front help
english street art late hands games award young 14 put published country division across told 13
often ever french london center six red 2017 led days include light 25 find tell among species
really according central half 2004 form original gave office making enough lost full opened must
included live given german player run business woman community cup might million land 2000 court
development 17 short round ii km seen class story always become sure research almost director
council la career things using island couldn car 24 close force better free support control field
students 2003 education married nothing worked others record big inside level anything continued
give james military established non returned feel does title written thing feet william far co
association hard already 2002 championship human western 100 department hall role various
production 21 19 heart 2001 living fire version television royal produced working act case society
region present radio period looking least total keep england wife program per brother mind special
22 am works soon political george services taken created further able reached david union joined
upon done important social information either appeared position ground lead rock dark election 23
board france hair course arms site police girl instead real sound words moment someone summer
project announced san less wrote past followed blue founded al finally india taking records
america 1999 design considered northern god stop battle toward european outside described track
today playing language 28 call 26 heard professional low australia miles california win yet green
trying blood southern science maybe everything match square 27 mouth video race recorded leave
above daughter points space 1998 museum change middle common move tv post lake seven tried elected
closed ten paul minister months start chief return canada person sea release similar modern
brought rest hit formed mr 1997 floor event doing thomas 1996 robert care killed training star
week needed turn finished railway rather news health sent example ran term michael coming
currently yes forces despite gold areas 50 stage fact 29 dead says popular 2018 originally germany
probably developed result pulled friend stood money running mi signed word songs child eventually
met tour average teams minutes festival current deep kind 1995 decided usually eastern seemed
episode bed added table indian private charles route available idea throughout centre addition
appointed style 1994 books eight construction press mean wall friends remained schools study
institute oh chinese sometimes events possible 1992 australian type brown forward talk process
food debut seat performance committee features character arts herself else lot strong russian
range hours peter arm morning dr sold quickly directed 1993 guitar china 31 list performed media
uk players smile myself 40 placed coach province towards wouldn leading whole boy official
designed grand census europe attack japanese henry 1991 cross getting alone action lower network
wide washington japan 1990 hospital believe changed sister hold gone sir hadn ship studies academy
shot rights below base bad involved kept largest bank future especially beginning mark movement
section female magazine plan professor lord longer sat walked hill actually civil energy model
families size thus aircraft completed includes data captain fight vocals featured richard bridge
fourth 1989 officer stone hear means medical groups management self lips competition entire lived
technology leaving federal tournament bit passed hot independent awards kingdom mary spent fine
doesn reported jack fall raised itself stay true studio 1988 sports replaced paris systems saint
leader theatre whose market capital parents spanish canadian earth cut degree writing bay
christian awarded natural higher bill coast provided previous senior ft valley organization
stopped onto countries parts conference queen security interest saying allowed master earlier
phone matter smith winning try happened moving campaign los breath nearly mid 1987 certain girls
date italian african standing fell artist shows deal mine industry 1986 everyone republic provide
collection library student primary owned 00 01 02 03 04 05 06 07 08 09 1a 1b 2a 2d 32 33 34 35 36
37 38 39 3a 3d 41 42 43 44 45 46 47 48 49 4a 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68
69 70 71 72 73 74 75 76 77 78 79 80 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99 a1 a2
aa ab ac ad ae af ag ah ai aj ak ao ap ar au av aw ax az b1 ba bb bc bf bi bk bn bo bp br bs bt bu
c1 c2 ca cb cc cd ce cf ch ci ck cl cm cn cp cr cs ct cu cv cw cy da db dc dd dh di dj dl dq ds dt
du ea ec ed ee eh ek el em en ep er es et eu ev ex f1 fa fc fe ff fi fk fl fm fr fu fx ga gb ge gi
gm gp gr gs gt gu ha hc hd hi hk hm ho hp hq hr hs hu hz ia ib ic id ie ik il im io ip iq ir iv ix
ja jc jd je ji jj jo jp jr ju ka kb kc ke kg ki kn ko ks ku kv kw ky lb lc ld le li lo lp lt lu m1
m2 m3 ma mb mc md mg mk ml mm mn mo mp ms mt mu mv mw mx na nc ne ng nh ni nj nk nl nm np nr ns nt
nu nw ny nz ob og ok ol om op os ot ou ow ox oz pa pc pd pe pg ph pi pl pm po pp pr ps pt pu pv qb
qc qi qu ra rb rc rd rf ri rm rn ro rq rr rs rt ru rv ry sa sb sc sd se sf sg sh si sk sl sm sp sq
sr ss su sv sw sy ta tb tc td te th ti tn tq tr ts tt tu tx ty u2 ua uc ud uh ui ul um un ur ut uv
v6 v8 va vc vi vo vp vr vs vt vu wa wb wc wi wo wr wu xi xl xp xu xv xx ya yd ye yi yo yu za ze zu
"""
"""Beginnings of words that are one token: the most frequent ones, then all of two characters."""

_CONTINUATION_PIECES: Final = """
ing ed er ly es on us an en in man al ia is ra na ers le ic te ne ie ton ta th la ness ch um da ry
ma rs el re os ar ka ist ian or ism ling ity as ley ted ng ville able ri ies land ur ya ine de ki
ts ro less ey ion ha am ter ge ll se st ation nt son et ce to ting ble ke ni tion ham ive do ca
men ized ous va id co ck ns no ga li ment ba ner ko ate io wood led ty ve sa by ier ti field ford
ja ler ally ina ization ful go il at hi berg der sh rd lin lo ot za me ius line den it wa ad ite
que ard les ff tor age di ir mi est ria ze well ated ee ah ji ov pa ish ps tes lla way house tic
ger un ant burg ura town ding tte ping ize ay ging ol ss ent tt be ky ak ial han per nd ls ai au
ny ring ut bury kin ron head ow ium mer pe sen ong ised bo ds ists ries dy ana worth ide ea ms nes
don ku gan mo pur ul si rt ell om he ure ara che ney zed chi ik ker ski ini ran tone ica jo ise
ung ning red ux gh hip gs dale bi one ons ary ang ue cy ors ped ber and ore ks im ded vi ino tz
tan lan mann tus zi out ating gi gate sky water her nce bs ek tta back more ged tive izing ola yn
res idae cing ens ii des cs shi sis work ft nia van lle ster board up zer gy ver ac ious bly ied
su vin bridge ld port ram ities ving je logy sm tra so sy ora ten istic ics ok ming ett ily ita
tors ct ice lia em isation ance rin ye kar ened ae ua sk ano vo zing ach ev ology ud ata ick ho
ese ru rum rn king gar zo ered lis dae rian po lli ci era gen tti sed ris ves ans uk oy hu fa ible
ich yan tory ians ula ins ani sson lt hill ova ston ao light ou net llo ved wick ned nan ane off
dra ys ric time hn ery tis hl pers ros op side ties rie sha mm ball ren lus cia ening ique ei
shire ock ire gon wan cher ical let cha fer ken fish ction ika tar med ette mus ites tin lu ix
ward dar nts yo py ched bach down fully mic od kov ivity sing ters len ified lon oon mes over dan
mar ington ona ere cus ab lock ira hs vic ala tre ular ral rus ias sey fe wn ess ew dor ering 00
01 0s 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 3d
40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 64 65 66 70 75 80 85 86 90 a1 aa af
ag aj ap aq av aw ax az bb bc bf bh bl bm bn br bt bu cb cc cd cl cm cp cr cu cz db dc dd df dh dl
dm dp dr dt du eb ec ef eg eh ej eo ep eu ex ez fb fc fi fk fl fm fo fp fr fs fu fy gb gc gf gg gl
gm gn gp gr gt gu hc hd hg hh hm hp hr ht hy ib if ig ih ij ip iq iu iv iy iz jk jm jn js ju kh kk
km kr kt lb lc lf lk lm ln lp lr lz mb mc md mg ml mp mt mu mx my nb nc nh nk nl nn np nr nu nx nz
oa ob oc oe of og oh oi oj oo ox oz pc pd pf pg ph pi pl pm pp pr pt pu pw qa qi qu rb rc rf rg rh
rk rl rm rp rr rz sb sc sd sf sg sl sp sr sw sz tc tf tl tm tp tr tu tv ub uc uf ug uh ui uj uo uw
uy uz vb vc vd vn vr vs vu vy wc wd we wg wi wk wl wo wr ws wt wu wy xa xi xt xx xy yd yi yk yl ym
yp yr yt yu yx zd zh zu zy zz
"""
"""Pieces that are one token within a word (`##ing`): the most frequent, then all of two."""

_SPACE: Final = r" \t\n\r\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
_ASCII_PUNCTUATION: Final = r"!-/:-@\[-`{-~"
_PUNCTUATION: Final = (
    r"\xa1\xab\xb7\xbb\xbf\u060c\u061b\u061f\u06d4\u0964\u0965\u2010-\u2027\u3001-\u3003"
    r"\u3008-\u3011\uff01\uff08\uff09\uff0c\uff0e\uff1a\uff1b\uff1f"
)
_IDEOGRAPHS: Final = (
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f"
)
_DROPPED: Final = r"\u0300-\u036f\u200d\ufe00-\ufe0f"
"""Combining marks, joiners and variation selectors. They stay with the character before them."""

_ATOM: Final = re.compile(
    rf"(?:[^{_SPACE}{_ASCII_PUNCTUATION}{_PUNCTUATION}{_IDEOGRAPHS}]{{1,{_MAX_RUN}}}"
    rf"|[{_IDEOGRAPHS}]{{1,8}}|[{_ASCII_PUNCTUATION}]{{1,8}}|[{_PUNCTUATION}])"
    rf"[{_DROPPED}\udc00-\udfff]{{0,4}}"
)
"""A piece that a cut never divides. Matching from the start of any atom finds the same atoms."""

_LATIN: Final = re.compile(r"[0-9A-Za-z\xc0-\u024f\u0300-\u036f\u1e00-\u1eff]+")
_MARKS: Final = re.compile(r"[\u0300-\u036f]+")
_ALPHANUMERIC: Final = re.compile(r"[0-9A-Za-z]+")
_DECOMPOSED: Final = re.compile(
    r"[\u0900-\u0dff\u1b00-\u1b7f\uac00-\ud7a3\U00011000-\U0001d1ff]"  # Indic, Hangul, musical
)

_PARAGRAPH: Final = re.compile(r"\n\s*\n\s*")
_SENTENCE: Final = re.compile(
    r"[.!?\u2026][\"'\u201d\u2019)\]]*+\s++(?![a-z])"
    r"|[\u3002\uff01\uff1f\u061f\u06d4\u0964\u0965][\"\u300d\u300f\u201d\uff09]*+\s*+"
)
_LINE: Final = re.compile(r"\n\s*")


@dataclass(frozen=True, slots=True)
class Chunk:
    """The chunk `text[start:end]`. The offsets count Python characters (code points)."""

    start: int
    end: int


def estimate_tokens(text: str) -> int:
    """An upper bound of the tokens of `text`, with [CLS] and [SEP]."""
    return SPECIAL_TOKENS + sum(map(_Costs().__getitem__, _ATOM.findall(text)))


def chunk(text: str, max_tokens: int) -> list[Chunk]:
    """Cut a text into chunks of at most `max_tokens` estimated tokens, in order.

    A text within the limit is one chunk, and a blank text has none. In other texts, a chunk ends in
    the second half of its room: at the end of a paragraph, else of a sentence, else of a line, else
    of a word. Only a text without any of these is cut anywhere. Each chunk but the first repeats
    the end of the chunk before: whole sentences if they fit into 15 % of the room, else words.

    Every character is in a chunk, and starts and ends rise strictly. The same text always gives the
    same chunks, in linear time.

    Raises:
        ValueError: `max_tokens` is below 128.
    """
    if max_tokens < MIN_MAX_TOKENS:
        message = f"max_tokens must be at least {MIN_MAX_TOKENS}, not {max_tokens}"
        raise ValueError(message)
    if not text.strip():
        return []
    room = max_tokens - SPECIAL_TOKENS
    atoms = _ATOM.findall(text)
    totals = list(accumulate(map(_Costs().__getitem__, atoms), initial=0))
    if totals[-1] <= room:
        return [Chunk(0, len(text))]
    return _Cuts(text, totals).chunks(room)


def first_chunk(text: str, max_tokens: int) -> Chunk:
    """The first chunk of a text that is not blank. Only the start of a long text is read.

    Text beyond twice the limit cannot move the first cut.
    """
    size = FIRST_LOOK * max_tokens
    while size < len(text):
        head = text[:size]
        if estimate_tokens(head) > 2 * max_tokens:
            return chunk(head, max_tokens)[0]
        size *= 2
    return chunk(text, max_tokens)[0]


class _Cuts:
    """The places where a text can be cut. A place is the number of the atom that follows.

    Attributes:
        text: the text.
        totals: the tokens before each atom, and at the end those of all.
        starts: the start of each atom. White space belongs to the atom before it.
        sentences: the starts and ends of sentences and paragraphs.
        tiers: the places to cut at, in lists with the best first.
    """

    def __init__(self, text: str, totals: Sequence[int]) -> None:
        self.text = text
        self.totals = totals
        self.starts = [match.start() for match in _ATOM.finditer(text)]
        self.starts[0] = 0
        self.starts.append(len(text))
        paragraphs = self._after(_PARAGRAPH)
        self.sentences = sorted({*paragraphs, *self._after(_SENTENCE)})
        self.tiers = (paragraphs, self.sentences, self._after(_LINE))

    def chunks(self, room: int) -> list[Chunk]:
        """Cut into chunks of at most `room` tokens. The last one has the remaining text."""
        last = len(self.totals) - 1
        found: list[Chunk] = []
        start = 0
        while True:
            end = bisect_right(self.totals, self.totals[start] + room) - 1
            if end < last:
                end = self._cut(bisect_right(self.totals, self.totals[start] + room // 2), end)
            found.append(Chunk(self.starts[start], self.starts[end]))
            if end >= last:
                return found
            start = self._overlap(end, room)

    def _after(self, pattern: re.Pattern[str]) -> list[int]:
        """The atoms that follow a match of the pattern."""
        ends: Iterable[int] = (match.end() for match in pattern.finditer(self.text))
        return sorted({bisect_left(self.starts, end) for end in ends})

    def _cut(self, low: int, high: int) -> int:
        """The best place to cut from `low` to `high`; `high` if there is none."""
        for tier in self.tiers:
            place = bisect_right(tier, high) - 1
            if place >= 0 and tier[place] >= low:
                return tier[place]
        for atom in range(high, low - 1, -1):
            if self._starts_word(atom):
                return atom
        return high

    def _overlap(self, end: int, room: int) -> int:
        """The start of the chunk after one with this `end`: there, or a little before."""
        low = bisect_left(self.totals, self.totals[end] - int(room * OVERLAP))
        place = bisect_left(self.sentences, low)
        if place < len(self.sentences) and self.sentences[place] < end:
            return self.sentences[place]
        low = bisect_left(self.totals, self.totals[end] - int(room * WORD_OVERLAP))
        for atom in range(low, end):
            if self._starts_word(atom):
                return atom
        return low

    def _starts_word(self, atom: int) -> bool:
        return self.text[self.starts[atom] - 1].isspace()


class _Costs(dict[str, int]):
    """The upper bound of the tokens of an atom, computed once for each atom that occurs.

    The sum over the atoms of a text is the bound of the text. An atom of letters counts as the
    start of a word. It can be the rest of a longer word only if the atom before has the full
    length. That atom then counts for the difference, which is less than the longest listed word.
    """

    def __missing__(self, atom: str) -> int:
        plain = atom.isascii() and atom.isalnum()
        cost = _word(atom.lower())[0] if plain else _mixed(atom)
        if len(atom) >= _MAX_RUN:
            cost += _LONGEST_HEAD - 1
        self[atom] = cost
        return cost


def _mixed(atom: str) -> int:
    """The bound of an atom that has other characters than ASCII letters and digits."""
    if _LATIN.fullmatch(atom):
        atom = _MARKS.sub("", unicodedata.normalize("NFD", atom))
    cost = len(atom) + 2 * len(_DECOMPOSED.findall(atom))
    for match in _ALPHANUMERIC.finditer(atom):
        as_word, as_rest = _word(match[0].lower())
        # If the tokenizer keeps the character before, this is the rest of a word.
        cost += (as_word if match.start() == 0 else max(as_word, as_rest)) - len(match[0])
    return cost


def _word(word: str) -> tuple[int, int]:
    """The bounds of ASCII letters and digits: at the start of a word, and within a word."""
    length = len(word)
    worst = [0] * (length + 1)  # the bound of the rest, from each position or any after it
    for start in range(length - 1, -1, -1):
        taken = _longest(word, start, CONTINUATIONS)
        worst[start] = max(1 + worst[start + taken], worst[start + 1])
    return 1 + worst[_longest(word, 0, HEADS)], worst[0]


def _longest(word: str, start: int, pieces: dict[str, list[str]]) -> int:
    """The length of the longest listed piece at `start`. The tokenizer takes at least this much."""
    for piece in pieces.get(word[start : start + 2], ()):
        if word.startswith(piece, start):
            return len(piece)
    return 1


def _by_first_two(pieces: str) -> dict[str, list[str]]:
    """Pieces by their first two characters, the longest first."""
    found: dict[str, list[str]] = {}
    for piece in sorted(pieces.split(), key=len, reverse=True):
        found.setdefault(piece[:2], []).append(piece)
    return found


HEADS: Final = _by_first_two(_HEAD_PIECES)
"""Beginnings of words by their first two characters. Each is one token."""

CONTINUATIONS: Final = _by_first_two(_CONTINUATION_PIECES)
"""Pieces within words by their first two characters. Each is one token."""

_LONGEST_HEAD: Final = max(map(len, _HEAD_PIECES.split()))
