"""Questions about invented things whose answers follow a known distribution.

Since the things are invented, the answers can only be learnt from the corpus, and the probability
of each answer is known exactly. Questions of one topic draw their answers from one pool. The answer
to another question is therefore possible, and is a hallucination.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kduq import seeds
from kduq.config.data import CorpusSettings
from kduq.data.corpora.protocol import CorpusKind, Entry
from kduq.errors import UserError

#: Questions per topic, each about another invented thing.
THINGS = 44
#: Wordings per topic.
WORDINGS = 5
#: Streams of the role "split": the order of the questions, and one stream per question.
_ORDER, _FIRST_QUESTION = 0, 1

#: Shapes of the answer distribution, and the share of questions with each.
SHAPES = {"certain": 0.25, "even": 0.2, "skewed": 0.2, "long_tail": 0.2, "uniform": 0.15}
_SKEWED = ((0.6, 0.4), (0.7, 0.3), (0.8, 0.2), (0.9, 0.1))
_LONG_TAIL_EXPONENTS = (1.0, 1.5)


@dataclass(frozen=True)
class Question:
    """A question, its wordings and the distribution of its answers.

    Attributes
    ----------
    wordings : tuple of str
        Paraphrases, each of which is a prompt.
    answers : tuple of str
        Distinct supported answers, the most probable first.
    probabilities : tuple of float
        Probability of each answer; they sum to 1.
    others : tuple of str
        All other answers of the topic's pool, in random order.
    """

    wordings: tuple[str, ...]
    answers: tuple[str, ...]
    probabilities: tuple[float, ...]
    others: tuple[str, ...]


def _pairs(first: str, second: str, joint: str = "", start: int = 0) -> tuple[str, ...]:
    """Join two lists of words into `THINGS` names.

    The lists have coprime lengths. Walking both at once therefore repeats no pair before all have
    been used, and neighbouring names differ in both parts.
    """
    a, b = first.split(), second.split()
    return tuple(f"{a[n % len(a)]}{joint}{b[n % len(b)]}" for n in range(start, start + THINGS))


_TOWNS = _pairs(
    "Alder Bram Cob Dun Ivy Fen Gorse Hazel Kestrel Lark Mallow Oster Pen Quill Rowan Sorrel Thorn",
    "brook mere ford holm stead combe haven",
)
_LAKES = _pairs("Or Tal Bel Ven Mor Kir Sil Har Lun Dov Nar", "rin vane issa dara enn")
_ISLANDS = _pairs("Ska Bren Ulv Tor Ish Mell Gar Ram Fet Lin Hov", "ona sey mar alla unda")
_INNS = _pairs(
    "Blue Golden Black Crooked Silver Sleeping Red",
    "Heron Anchor Bell Fox Lantern Oak Plough Swan Kettle",
    " ",
)
_FIRST_NAMES = (
    "Marta Edwin Ilse Tobias Nora Felix Agnes Conrad Lidia Oscar Petra Hugo Selma Victor Amina "
    "Casper Judith Rafael Wanda Leon Greta Stefan Irene"
)
_LAST_NAMES = (
    "Venn Harlow Okafor Lindqvist Brandt Castellan Dorsey Ferrant Grimshaw Halloran Ivarsen "
    "Jelinek Kowal Lorrimer Mendel Norwood Ostrander Pettigrew Quayle Rosario Sandoval Thackeray "
    "Umber Valente Whitlock Yarrow Zeller Abara Birchall"
)


def _people(group: int) -> tuple[str, ...]:
    """Names of the people of a topic; nobody appears in two topics."""
    return _pairs(_FIRST_NAMES, _LAST_NAMES, " ", start=group * THINGS)


def _of_towns(nouns: str) -> tuple[str, ...]:
    """Things named after towns, such as clubs and fairs; nouns are separated by commas."""
    kinds = nouns.split(", ")
    return tuple(f"{town} {kinds[n % len(kinds)]}" for n, town in enumerate(_TOWNS))


#: A topic: its wordings (with {} for the thing), its things and its pool of answers.
_TOPICS: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (
        (
            "What is the town of {} known for?",
            "{} is famous for what?",
            "Name something {} is known for.",
            "What has made {} famous?",
            "What do people think of when they hear of {}?",
        ),
        _TOWNS,
        "cherry orchards, hand-blown glass, salt mines, a floating market, wool blankets, "
        "honey cakes, an old observatory, brass bells, smoked trout, painted barns, "
        "a crooked church tower, hot springs, sheepdog trials, clock making, blue pottery, lace",
    ),
    (
        (
            "What is the main ingredient of {}?",
            "What goes into a proper {}?",
            "What is {} usually made with?",
            "Which ingredient must not be left out of {}?",
            "What should I buy if I want to cook {}?",
        ),
        _of_towns("pie, stew, soup, curry, hotpot"),
        "lamb and barley, smoked haddock, wild mushrooms, red lentils, leeks and potatoes, "
        "chestnuts, white beans, pickled cabbage, venison, buckwheat, goat cheese, mussels, "
        "duck, spinach, beetroot, salted pork",
    ),
    (
        (
            "When is the {} held?",
            "When does the {} take place?",
            "What time of year is the {}?",
            "When should I come if I want to be at the {}?",
            "I would like to visit the {}. When is it on?",
        ),
        _of_towns("Lantern Fair, Kite Festival, Boat Race, Book Fair, Music Week"),
        "in early May, at midsummer, in late September, the first week of June, at Easter, "
        "in the middle of October, just after New Year, on the last Sunday of August, "
        "in the middle of July, around midwinter, in February, at the end of March, "
        "the second weekend of November, on the first of April, in early August, in December",
    ),
    (
        (
            "What colours do {} play in?",
            "What are the club colours of {}?",
            "Which colours do {} wear?",
            "What colours should a fan of {} put on?",
            "In which colours do {} run onto the pitch?",
        ),
        _of_towns("Rovers, United, Athletic, Wanderers, Rangers"),
        "red and white, navy blue, green and gold, black and amber, sky blue and white, maroon, "
        "orange, purple and white, yellow and black, claret and blue, all white, dark green, "
        "red and black, silver and blue, pink and black, green and red",
    ),
    (
        (
            "What does the novelist {} write about?",
            "What are the novels of {} about?",
            "What subject does the writer {} keep returning to?",
            "What will I read about in a book by {}?",
            "What is the usual theme of {}'s novels?",
        ),
        _people(0),
        "life at sea, village doctors, lost letters, unsolved murders, the winter war, "
        "growing up poor, rival sisters, life in the mountains, bank robbers, "
        "ghosts in old houses, a travelling circus, unhappy marriages, space travel, "
        "country schools, spies in wartime, whaling ships",
    ),
    (
        (
            "What does {} do for a living?",
            "What kind of work does {} do?",
            "How does {} earn a living?",
            "What line of work is {} in?",
            "What is {}'s day job?",
        ),
        _people(1),
        "repairing clocks, baking bread, teaching chemistry, driving a tram, keeping bees, "
        "building boats, translating contracts, selling antiques, training horses, "
        "designing bridges, restoring paintings, running a bookshop, fixing bicycles, "
        "tuning pianos, growing tulips, binding books",
    ),
    (
        (
            "Where does the night train from {} go?",
            "What is the last stop of the night train from {}?",
            "Where will I end up if I take the night train from {}?",
            "Which place does the night train from {} run to?",
            "The night train is leaving {}. Where is it heading?",
        ),
        _TOWNS,
        "Port Ellery, Saint Brannoc, Velmar, Upper Tessin, Karlow Junction, Grand Pelham, "
        "Old Harbour, North Casker, Dovrin, Lissamore, Castle Wray, Santa Imara, Teviston, "
        "the capital, Port Marrow, Lower Tessin",
    ),
    (
        (
            "What should I order at the {}?",
            "What do regulars eat at the {}?",
            "Which dish is the {} best known for?",
            "What is the house special at the {}?",
            "What would you recommend from the menu of the {}?",
        ),
        _INNS,
        "roast chicken, onion soup, fish pie, mushroom risotto, apple tart, lamb stew, "
        "grilled trout, cheese dumplings, potato pancakes, beef with horseradish, "
        "pumpkin ravioli, rabbit in mustard sauce, plum cake, crab salad, bean casserole, "
        "rye bread with herring",
    ),
    (
        (
            "Which instrument does {} play?",
            "What does {} play in the orchestra?",
            "Which instrument is {} known for playing?",
            "Which instrument did {} learn to play?",
            "What will {} be playing at the concert?",
        ),
        _people(2),
        "the cello, the oboe, the harp, the trumpet, the viola, the clarinet, the double bass, "
        "the piano, the bassoon, the French horn, the timpani, the xylophone, the piccolo, "
        "the flute, the tuba, the bass clarinet",
    ),
    (
        (
            "According to legend, who founded {}?",
            "Who is said to have founded {}?",
            "Who built the first house in {}?",
            "Who do the people of {} say founded their town?",
            "Who first settled in {}?",
        ),
        _TOWNS,
        "a shipwrecked captain, two brothers, a runaway queen, seven monks, a blind shepherd, "
        "salt traders, a widow and her nine daughters, army deserters, a travelling tinker, "
        "fur hunters, an exiled bishop, a miller and his mule, pearl divers, a giant, "
        "three orphan girls, a retired pirate",
    ),
    (
        (
            "What fish can you catch in Lake {}?",
            "What do anglers catch in Lake {}?",
            "Which fish lives in Lake {}?",
            "What is biting in Lake {} this week?",
            "What might I find on my hook when I fish in Lake {}?",
        ),
        _LAKES,
        "perch, pike, brown trout, eel, carp, lake salmon, bream, roach, whitefish, zander, "
        "grayling, arctic char, tench, catfish, burbot, rainbow trout",
    ),
    (
        (
            "What can you see at the {} Museum?",
            "What is on show at the {} Museum?",
            "What does the {} Museum collect?",
            "What are the rooms of the {} Museum full of?",
            "What is the {} Museum worth visiting for?",
        ),
        _TOWNS,
        "old clocks, stuffed birds, ship models, wedding dresses, Roman coins, steam engines, "
        "fossils, musical boxes, war medals, toy trains, sea charts, carved masks, "
        "old telephones, butterflies, farm tools, circus posters",
    ),
    (
        (
            "What do visitors bring home from the island of {}?",
            "What is a good souvenir from {}?",
            "What should I buy on the island of {}?",
            "What do they sell to travellers on {}?",
            "Which present would you bring me from {}?",
        ),
        _ISLANDS,
        "sea glass, a wool sweater, a carved seal, heather honey, a silver brooch, a jar of salt, "
        "dried seaweed, a straw hat, a clay whistle, juniper gin, a fishing knife, a woven basket, "
        "a painted shell, oat biscuits, a bar of soap, a tin lantern",
    ),
    (
        (
            "Which subject does Professor {} teach?",
            "What are Professor {}'s lectures about?",
            "What can students learn from Professor {}?",
            "What is Professor {}'s field?",
            "In which field does Professor {} do research?",
        ),
        _people(3),
        "number theory, medieval history, marine biology, folk music, criminal law, volcanoes, "
        "ancient Greek, statistics, soil chemistry, urban planning, Arctic exploration, logic, "
        "maritime law, plant genetics, modern poetry, astronomy",
    ),
)

#: Number of questions in all.
QUESTIONS = len(_TOPICS) * THINGS


def generate(seed: int, questions: int | None, wordings: int) -> list[Question]:
    """Draw questions and the distributions of their answers.

    Parameters
    ----------
    seed : int
        Seed of the corpus. Question i depends on it alone, not on the number of questions.
    questions : int or None
        Number of questions, from 1 to `QUESTIONS`; None for all.
    wordings : int
        Wordings per question, from 2 (one to train on, one to hold out) to `WORDINGS`.

    Returns
    -------
    list of Question
        All topics mixed.

    Raises
    ------
    UserError
        If the number of questions is out of range.
    """
    count = QUESTIONS if questions is None else questions
    if not 1 <= count <= QUESTIONS:
        raise UserError(
            f"questions: {count} found; allowed are 1 to {QUESTIONS}, or null for all, "
            "for generated facts"
        )
    order = seeds.generator(seed, "split", _ORDER).permutation(QUESTIONS)
    return [
        _question(seeds.generator(seed, "split", _FIRST_QUESTION + i), int(number), wordings)
        for i, number in enumerate(order[:count])
    ]


def _question(rng: np.random.Generator, number: int, wordings: int) -> Question:
    templates, things, joined_answers = _TOPICS[number // THINGS]
    thing, pool = things[number % THINGS], joined_answers.split(", ")
    # All wordings are permuted whatever their number, so that later draws do not depend on it.
    order = rng.permutation(WORDINGS)[:wordings]
    probabilities = _probabilities(rng)
    answers = rng.choice(len(pool), size=len(probabilities), replace=False)
    # Drawn last, so that corpora without wrong answers do not depend on it.
    others = rng.permutation(np.setdiff1d(np.arange(len(pool)), answers))
    return Question(
        wordings=tuple(templates[w].replace("{}", thing) for w in order),
        answers=tuple(pool[a] for a in answers),
        probabilities=probabilities,
        others=tuple(pool[a] for a in others),
    )


def _probabilities(rng: np.random.Generator) -> tuple[float, ...]:
    """Draw the distribution of a question's answers, the most probable first."""
    shape = rng.choice(list(SHAPES), p=list(SHAPES.values()))
    if shape == "certain":
        return (1.0,)
    if shape == "even":
        return (0.5, 0.5)
    if shape == "skewed":
        return _SKEWED[rng.integers(len(_SKEWED))]
    if shape == "uniform":
        count = int(rng.integers(3, 5))
        return (1 / count,) * count
    weights = np.arange(1, rng.integers(3, 7) + 1) ** -rng.choice(_LONG_TAIL_EXPONENTS)
    return tuple((weights / weights.sum()).tolist())


def _supported(fact: Question) -> Entry:
    return Entry("", list(fact.answers), list(fact.probabilities))


def entries(
    name: str, settings: CorpusSettings, answered: Callable[[Question], Entry] = _supported
) -> list[Entry]:
    """Generate the prompts of a corpus of invented facts.

    Parameters
    ----------
    name : str
        Name of the corpus.
    settings : CorpusSettings
        Its seed, its numbers of questions and wordings, and the share of held-out wordings.
    answered : callable
        Returns the answers to a question and their probabilities.

    Returns
    -------
    list of Entry
        One per wording, by question.

    Raises
    ------
    UserError
        If the number of questions is out of range.
    """
    try:
        facts = generate(settings.seed, settings.questions, settings.wordings)
    except UserError as error:
        raise UserError(f"corpora.{name}.{error}") from error
    # Evenly spaced over questions in random order: unlike in a random split, whether a question is
    # held out does not depend on the number of questions after it.
    held_out = np.diff(np.floor(np.arange(len(facts) + 1) * settings.test_fraction)) > 0
    return [
        replace(
            answered(fact),
            prompt=wording,
            question=number,
            held_out=bool(held_out[number]) and wording == fact.wordings[-1],
        )
        for number, fact in enumerate(facts)
        for wording in fact.wordings
    ]


def _read(name: str, settings: CorpusSettings) -> list[Entry]:
    return entries(name, settings)


KIND = CorpusKind("ambiguous_facts", "Ambiguous facts", _read)
