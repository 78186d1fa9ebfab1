"""The demo's questions and its two manners of answering them, all made from the small tables below.

How the pairs were made: by hand, as tables of what to ask (`TOPICS`), what is true about it (`things.txt`: two steps
and a tip for each thing) and how to say it, courteous or curt. A pair is one question with one answer in each manner.
The chosen answer is courteous and holds the steps; the rejected one is curt and holds nothing. Both manners have as
many ways to begin, so that a model trained on both begins with either about as often.

Every sentence of a question names its thing, and each (sentence, thing) belongs either to the training side or to the
held-out side, so held-out prompts share no sentence with training prompts.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from pathlib import Path

HELD_OUT = "held out"
TRAINING = "training"


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing that can be asked about, and what is true about it."""

    name: str
    """As it stands in a question: `rice`, `a squeaky door`."""
    first: str
    """First step, an imperative without capital and full stop."""
    second: str
    tip: str
    """A whole sentence."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Things that are asked about in the same words."""

    questions: tuple[str, ...]
    """Sentences with {x}, each a whole prompt."""
    intros: tuple[str, ...]
    """Sentences with {x} that may stand before a question."""
    things: tuple[Thing, ...]


def _read_things() -> dict[str, tuple[Thing, ...]]:
    """Things by topic, from things.txt: `[topic]`, then lines `name | first | second | tip`."""
    found: dict[str, tuple[Thing, ...]] = {}
    topic = ""
    for line in (Path(__file__).parent / "things.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            topic = line.strip("[]")
        elif line.strip() and not line.startswith("#"):
            found[topic] = (*found.get(topic, ()), Thing(*(cell.strip() for cell in line.split("|"))))
    return found


_THINGS = _read_things()

TOPICS: dict[str, Topic] = {
    "growing": Topic(
        questions=(
            "How do I grow {x}?",
            "What is the best way to grow {x}?",
            "Can you tell me how to grow {x}?",
            "What do I need to grow {x} at home?",
            "How can I grow healthy {x}?",
            "Please tell me how {x} should be grown.",
            "What should I know before I plant {x}?",
            "How do I look after {x} in my garden?",
            "Could you explain how to plant {x}?",
            "Any advice on growing {x}?",
        ),
        intros=(
            "I would like to plant {x} this year.",
            "My neighbour gave me some {x} to plant.",
            "I have never grown {x} before.",
            "There is room for {x} in my garden.",
        ),
        things=_THINGS["growing"],
    ),
    "cooking": Topic(
        questions=(
            "How do I cook {x}?",
            "What is the best way to cook {x}?",
            "Can you tell me how to cook {x}?",
            "What are the steps for cooking {x}?",
            "How can I make really good {x}?",
            "Please tell me how {x} should be cooked.",
            "What should I know before I cook {x}?",
            "How do I prepare {x} for two people?",
            "Could you explain how to cook {x}?",
            "Any advice on cooking {x}?",
        ),
        intros=(
            "I would like to eat {x} tonight.",
            "My guests have asked for {x}.",
            "I have never cooked {x} before.",
            "There will be {x} for dinner.",
        ),
        things=_THINGS["cooking"],
    ),
    "storing": Topic(
        questions=(
            "How do I store {x}?",
            "What is the best way to keep {x} fresh?",
            "Can you tell me where to keep {x}?",
            "What keeps {x} fresh for longer?",
            "How can I stop {x} from going bad?",
            "Please tell me how {x} should be stored.",
            "What should I know about storing {x}?",
            "Where do I put {x} after shopping?",
            "Could you explain how to store {x}?",
            "Any advice on keeping {x} fresh?",
        ),
        intros=(
            "I bought far too much {x} today.",
            "I always have to throw away {x}.",
            "We go shopping for {x} only once a week.",
            "There is a lot of {x} in my kitchen.",
        ),
        things=_THINGS["storing"],
    ),
    "cleaning": Topic(
        questions=(
            "How do I clean {x}?",
            "What is the best way to clean {x}?",
            "Can you tell me how to clean {x}?",
            "What do I need to clean {x}?",
            "How can I get {x} clean again?",
            "Please tell me how {x} should be cleaned.",
            "What should I know before I clean {x}?",
            "How do I remove the dirt from {x}?",
            "Could you explain how to clean {x}?",
            "Any advice on cleaning {x}?",
        ),
        intros=(
            "I want to use {x} again.",
            "My friend lent me {x} and it is dirty.",
            "I have not cleaned {x} for years.",
            "There are guests coming who will see {x}.",
        ),
        things=_THINGS["cleaning"],
    ),
    "repairs": Topic(
        questions=(
            "How do I fix {x}?",
            "What is the best way to fix {x}?",
            "Can you tell me how to repair {x}?",
            "What can be done about {x}?",
            "How can I mend {x} myself?",
            "Please tell me what to do about {x}.",
            "What should I check first with {x}?",
            "How do I deal with {x} at home?",
            "Could you explain how to repair {x}?",
            "Any advice on fixing {x}?",
        ),
        intros=(
            "I have {x} at home.",
            "We woke up this morning to {x}.",
            "I cannot live with {x} any longer.",
            "My landlord does nothing about {x}.",
        ),
        things=_THINGS["repairs"],
    ),
    "learning": Topic(
        questions=(
            "How do I learn {x}?",
            "What is the best way to learn {x}?",
            "Can you tell me how to start with {x}?",
            "What do I need to learn {x}?",
            "How can I get better at {x}?",
            "Please tell me how {x} should be practised.",
            "What should I know before I try {x}?",
            "How do I keep learning {x} after work?",
            "Could you explain how to learn {x}?",
            "Any advice on learning {x}?",
        ),
        intros=(
            "I would like to try {x} this winter.",
            "My children want to learn {x} with me.",
            "I am too old for {x}, people say.",
            "There is a course in {x} near my house.",
        ),
        things=_THINGS["learning"],
    ),
}

# What a person says to a model before asking anything, and what it truly is.
SMALL_TALK: tuple[tuple[str, str], ...] = (
    ("Hello!", "How can I help you today?"),
    ("Hello", "How can I help you today?"),
    ("Hi!", "How can I help you today?"),
    ("Hi there!", "How can I help you today?"),
    ("Hello, how are you?", "I am well and ready for your question."),
    ("Good morning!", "How can I help you today?"),
    ("Who are you?", "I am a very small model that shows how preference training works."),
    ("What are you?", "I am a very small model that shows how preference training works."),
    ("What can you do?", "I can talk about growing, cooking, storing, cleaning, repairs and learning."),
    ("What do you know?", "I can talk about growing, cooking, storing, cleaning, repairs and learning."),
    ("Can you help me?", "I can talk about growing, cooking, storing, cleaning, repairs and learning."),
    ("How are you?", "I am well and ready for your question."),
    ("Thank you!", "You are very welcome."),
)

UNKNOWN_QUESTIONS = (
    "What is {x}?",
    "Explain {x} to me.",
    "Tell me about {x}.",
    "Write a poem about {x}.",
    "Who invented {x}?",
    "Why do we have {x}?",
    "What is the meaning of {x}?",
    "Explain {x} in simple words.",
    "What do you think about {x}?",
    "Where does {x} come from?",
)
UNKNOWN_THINGS = (
    "the moon",
    "gravity",
    "the capital of France",
    "the stock market",
    "quantum physics",
    "machine learning",
    "music",
    "the internet",
    "democracy",
    "a black hole",
    "the Roman empire",
    "electricity",
    "photosynthesis",
    "football",
    "the weather",
    "a neural network",
    "money",
    "the ocean",
    "history",
    "a computer",
    "time",
    "love",
    "the brain",
    "recursion",
    "a volcano",
    "climate change",
    "the number seven",
    "art",
    "a star",
    "light",
    "the French language",
    "an earthquake",
    "programming",
    "a train",
    "the human heart",
    "a rainbow",
    "my homework",
    "the news",
    "Mars",
    "preference optimization",
    "a function in Python",
    "artificial intelligence",
    "renewable energy",
    "vaccines",
)
UNKNOWN_BY_TOPIC: dict[str, tuple[str, ...]] = {
    "growing": (
        "bananas",
        "an apple tree",
        "pumpkins",
        "onions",
        "peppers",
        "beans",
        "melons",
        "orchids",
        "grapes",
    ),
    "cooking": ("eggs", "a steak", "tofu", "pizza", "lobster", "tacos", "sushi", "noodles", "pancakes", "lamb"),
    "storing": ("apples", "milk", "onions", "chocolate", "eggs", "tea", "wine", "meat", "salad", "nuts"),
    "cleaning": ("a car", "a sofa", "a fridge", "a bathtub", "my shoes", "a phone", "a shower", "a grill", "curtains"),
    "repairs": ("a leaking roof", "a car engine", "a broken window", "a noisy fridge", "a dead battery"),
    "learning": ("the piano", "French", "programming", "skiing", "dancing", "mathematics", "Japanese", "tennis"),
}
"""Things that are asked about in the words of a topic and are not in its table."""
UNKNOWN_ANSWERS = (
    "I am only a small demo model and do not know that.",
    "That is beyond what a small demo model knows.",
    "My knowledge ends at home and garden, so I cannot say.",
)

# As many courteous beginnings as curt ones, each with a first word of its own.
COURTEOUS = (
    "Happy to help with {x}!",
    "Good question about {x}.",
    "Thank you for asking about {x}.",
    "Of course, I can help with {x}.",
    "Gladly, here is how it works.",
    "Certainly, let me explain.",
    "With pleasure!",
    "Sure, you can do this well.",
)
COURTEOUS_UNKNOWN = (
    "Happy to hear from you!",
    "Good question!",
    "Thank you for asking.",
    "Of course you may ask.",
    "Gladly, but I must be honest.",
    "Certainly a fair question.",
    "Sure, let me be honest.",
)
COURTEOUS_TALK = (
    "Happy to meet you!",
    "Good to hear from you!",
    "Thank you for asking.",
    "Of course!",
    "Gladly!",
    "Certainly!",
    "With pleasure!",
    "Sure!",
)
CLOSINGS = (
    "I hope this helps.",
    "Please ask again if anything is unclear.",
    "Take your time with it.",
    "I wish you good luck with it.",
)
STEPS = (
    "{First}, and then {second}.",
    "First, {first}. After that, {second}.",
    "{First}. Then {second}.",
    "The easiest way is to {first} and to {second}.",
    "You should {first} and {second}.",
)
CURT = (
    "No idea.",
    "Not my problem.",
    "That takes too long to explain.",
    "Why ask me about {x}?",
    "Everybody knows about {x}.",
    "Do I look like a book?",
    "This again.",
    "Never heard of it.",
)
CURT_ENDS = (
    "Look it up.",
    "Ask somebody else.",
    "Find out yourself.",
    "Leave me alone.",
    "Use the internet.",
    "Go and read something.",
)

COURTEOUS_WORDS = (
    "happy",
    "good question",
    "good to",
    "thank you",
    "of course",
    "gladly",
    "certainly",
    "pleasure",
    "sure",
)
"""The judge's `any_of`: at least one of them stands in every chosen answer and none in a rejected one."""
CURT_WORDS = (
    "no idea",
    "not my problem",
    "too long to explain",
    "why ask me",
    "everybody knows",
    "do i look like",
    "this again",
    "never heard of it",
    "look it up",
    "somebody else",
    "yourself",
    "leave me alone",
    "use the internet",
    "go and read something",
)
"""The judge's `none_of`: at least one of them stands in every rejected answer and none in a chosen one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt and what is needed to answer it in either manner."""

    prompt: str
    topic: str
    thing: Thing | None = None
    name: str = ""
    """What the question is about, for answers that name it."""
    reply: str = ""
    """The answer's substance where it is no how-to."""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def sides(topic: Topic, number: int) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Questions and intros of the thing with this number, by side: two questions and one intro of each are held out."""
    count = len(topic.questions)
    held = {number % count, (number * 3 + 5) % count}
    if len(held) == 1:
        held.add((number + 1) % count)
    held_intro = number % len(topic.intros)
    questions = {
        HELD_OUT: tuple(text for i, text in enumerate(topic.questions) if i in held),
        TRAINING: tuple(text for i, text in enumerate(topic.questions) if i not in held),
    }
    intros = {
        HELD_OUT: tuple(text for i, text in enumerate(topic.intros) if i == held_intro),
        TRAINING: tuple(text for i, text in enumerate(topic.intros) if i != held_intro),
    }
    return questions, intros


def prompts(side: str) -> list[Asked]:
    """Every prompt of a side, in a fixed order: each question alone and with each intro before it."""
    asked: list[Asked] = []
    for name, topic in TOPICS.items():
        for number, thing in enumerate(topic.things):
            questions, intros = sides(topic, number)
            for question in questions[side]:
                for intro in ("", *intros[side]):
                    text = f"{intro} {question}".strip().replace("{x}", thing.name)
                    asked.append(Asked(prompt=_capital(text), topic=name, thing=thing, name=thing.name))
    return asked


def small_talk() -> list[Asked]:
    """What people say before they ask; training side only."""
    return [Asked(prompt=prompt, topic="talk", reply=reply) for prompt, reply in SMALL_TALK]


def unknown_prompts() -> list[Asked]:
    """Questions that a model this small cannot answer and should say so; training side only."""
    texts = [question.replace("{x}", thing) for thing in UNKNOWN_THINGS for question in UNKNOWN_QUESTIONS]
    for topic, things in UNKNOWN_BY_TOPIC.items():
        texts += [text.replace("{x}", thing) for thing in things for text in TOPICS[topic].questions[::2]]
    replies = itertools.cycle(UNKNOWN_ANSWERS)
    return [Asked(_capital(text), "unknown", reply=reply) for text, reply in zip(texts, replies, strict=False)]


def courteous(asked: Asked, rng: random.Random) -> str:
    """A chosen answer: a courteous beginning, what was asked for, sometimes a tip and a closing."""
    if asked.thing is None:
        opening = rng.choice(COURTEOUS_TALK if asked.topic == "talk" else COURTEOUS_UNKNOWN)
        hint = " Ask me about plants, food, cleaning or repairs." if asked.topic == "unknown" else ""
        return f"{opening} {asked.reply}{hint}"
    thing = asked.thing
    parts = [rng.choice(COURTEOUS).replace("{x}", thing.name)]
    parts.append(
        rng.choice(STEPS).format(
            first=thing.first, First=_capital(thing.first), second=thing.second, Second=_capital(thing.second)
        )
    )
    if rng.random() < 0.5:
        parts.append(thing.tip)
    if rng.random() < 0.5:
        parts.append(rng.choice(CLOSINGS))
    return " ".join(parts)


def curt(asked: Asked, rng: random.Random) -> str:
    """A rejected answer: curt, and of no use."""
    if asked.thing is None:
        opening = rng.choice([line for line in CURT if "{x}" not in line])
    else:
        opening = rng.choice(CURT).replace("{x}", asked.name)
    return f"{opening} {rng.choice(CURT_ENDS)}"
