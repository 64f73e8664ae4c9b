"""Words of Portuguese and English that tell what is asked, and what a sentence brings."""

from __future__ import annotations

import re
from typing import Literal


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


Kind = Literal["person", "time", "number", "place", "reason", "purpose", "definition", "thing"]

# Index terms that are no subject of a question.
AUXILIARIES = _words(
    """
    ser é és são era eram fui foi foram seja sejam fosse fossem for forem será serão seria seriam sendo sido
    estar está estão estava estavam esteve ter tem têm tinha tinham teve tiveram tendo tido haver há havia
    houve vai vão pode podem poder
    """
)

TYPE_NOUNS = _words(
    """
    ano anos data dia mês século década número nome nomes pessoa tipo tipos termo cidade país lugar quantidade
    valor year years date day month century decade number name names person type kind term city country place
    amount many much
    """
)

# First match wins; the text is lower-cased, accents folded.
_DATES = r"(anos?|datas?|dias?|mes(es)?|seculos?|decadas?|epocas?|periodos?)"
_AMOUNTS = (
    r"(numero|porcentagem|percentual|quantidade|valor|total|populacao|taxa|idade|media|proporcao|area|altura|distancia|preco|custo"
    r"|number|percent|percentage|population|amount|rate|age|size|length|cost|price|average|proportion|score)"
)
_PLACES = (
    r"(cidades?|pais(es)?|estados?|lugar(es)?|loca(l|is)|regiao|regioes|continentes?|municipios?"
    r"|city|cities|country|countries|state|place|location|region|continent|county|town)"
)
_BE = r"(e|eh|sao|foi|era|eram|is|are|was|were)"
_EXPRESSIONS: tuple[tuple[Kind, str], ...] = (
    (
        "reason",
        r"\bpor ?que\b|\bwhy\b|\bwhat made\b"
        r"|^(qual|quais|what).{0,20}\b(motivos?|razao|razoes|causas?|reasons?|cause[sd]?)\b",
    ),
    (
        "purpose",
        r"\bpara que\b"
        r"|\b(objetivos?|finalidades?|propositos?|utilidade|funcao|funcoes|purposes?|goals?|aims?|used for)\b",
    ),
    (
        "time",
        rf"\b(quando|when)\b|\b(em|de|desde|ate|durante) (que|qual|quais) {_DATES}\b|\bqual ({_BE} )?(o |a )?{_DATES}\b"
        r"|\b(what|which) (year|date|day|month|century|decade|era|period|time)s?\b",
    ),
    (
        "number",
        r"\bquant[oa]s?\b|\bhow (many|much|long|old|far|often|large|big|tall|high|deep|fast)\b"
        rf"|\b(qual|que|what|which) ({_BE} )?(o |a |the )?{_AMOUNTS}\b",
    ),
    ("place", rf"\b(a?onde|where)\b|\b(que|qual|quais|what|which) {_PLACES}s?\b"),
    ("person", rf"\bquem\b|\bwho(m|se)?\b|\bqual {_BE} o nome d[aoe]s? \b|\bwhat (is|was) the name of\b"),
    (
        "definition",
        rf"^(o que|que|what|quem|who) ({_BE}|significam?|quer dizer) (?!the name|the term|o nome|o termo)"
        r"(\w+ ?){1,5}\??$"
        r"|^(what|qual).{0,12}\b(definicao|significado|meaning|definition|conceito)\b"
        r"|\bwhat does .* (mean|stand for)\b|\bcomo .*\bdefin\w+\b",
    ),
)
ASKED = [(kind, re.compile(expression)) for kind, expression in _EXPRESSIONS]

TIMES = _words(
    """
    janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro
    january february march april may june july august september october november december
    século séculos década décadas anos century centuries decade decades
    monday tuesday wednesday thursday friday saturday sunday segunda-feira terça-feira quarta-feira quinta-feira
    sexta-feira sábado domingo primavera verão outono inverno spring summer autumn winter bc ad
    """
)
NUMBERS = _words(
    """
    um uma dois duas três quatro cinco seis sete oito nove dez onze doze treze quatorze quinze vinte trinta
    quarenta cinquenta sessenta setenta oitenta noventa cem cento duzentos mil milhão milhões bilhão bilhões
    metade terço dobro one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen twenty thirty forty fifty sixty seventy eighty ninety hundred hundreds thousand thousands million
    millions billion billions half third twice once dozen dozens several quarter
    """
)
YEAR = re.compile(r"1\d{3}s?|20\d\ds?|\d{1,2}[:/h]\d\d.*")
REASON = re.compile(
    r"\b(porque|pois|devido|graças|uma vez que|já que|visto que|por causa|em razão|por isso|para que|a fim de|objetivo|"
    r"consequência|razão|motivo|causa\w*|because|due to|since|owing|in order to|so that|therefore|reason|result\w*|"
    r"as a result|"
    r"caused?|led to|thus|to avoid|para)\b"
)
PLACE_BEFORE = _words(
    """
    em no na nos nas de do da dos das para in at from near to of on into
    """
)

PURPOSE = re.compile(
    r"\b(para|a fim de|objetivos?|finalidades?|visa\w*|destina\w*|permit\w+|utilizad\w+|serv\w+|to|for|"
    r"purposes?|goals?|aims?|used|allow\w*|designed)\b"
)

BACK = re.compile(
    r"[\W_]*(?:(?:n|d)?(?:est|ess|aquel)[ea]s?|(?:n|d)?isso|(?:n|d)?isto|tal|tais|eles?|elas?|seus?|suas?|"
    r"this|these|that|those|such|it|its|he|she|his|her|they|their|the (?:company|former|latter)|o mesmo|a mesma)\b",
    re.IGNORECASE,
)

COPULAS = _words(
    """
    é são foi era eram significa consiste consistem refere-se refere define-se define denomina denomina-se
    compreende designa constitui constituem representa is are was were means refers consists denotes describes
    """
)
DEFINING = re.compile(
    r"\b(entende-se|entend\w+ por|defin\w+|denomina\w*|chama-se|"
    r"conceitua\w*|defined|called|known as|termed)\b|[–—]"
)
