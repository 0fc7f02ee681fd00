"""The names and places of the demo school; all made up, so no message of a demo can reach a person.

Phone numbers are those that the Australian Communications and Media Authority keeps free for fiction
(https://www.acma.gov.au/phone-numbers-use-tv-shows-films-and-creative-works), e-mail addresses end in
`.example` (RFC 2606). Suburbs and their coordinates are Sydney's.
"""

from typing import Final, NamedTuple


class Suburb(NamedTuple):
    """A suburb: postcode, a place in it (WGS 84 degrees), and two of its streets."""

    name: str
    postcode: str
    lat: float
    lng: float
    streets: tuple[str, str]


class Family(NamedTuple):
    """A household: the given names of those who learn to drive, and who looks after them (name, relation)."""

    surname: str
    students: tuple[str, ...]
    guardians: tuple[tuple[str, str], ...]


# fmt: off
FICTIONAL_MOBILES: Final = tuple(
    f"+61491{last_digits}"
    for last_digits in (
        570_006, 570_156, 570_157, 570_158, 570_159, 570_110, 570_313, 570_737, 571_266, 571_491,
        571_804, 572_549, 572_665, 572_983, 573_770, 573_087, 574_118, 574_632, 575_254, 575_789,
        576_398, 576_801, 577_426, 577_644, 578_957, 578_148, 578_888, 579_212, 579_760, 579_455,
    )
)
# fmt: on

SUBURBS: Final = (
    Suburb("Marrickville", "2204", -33.9110, 151.1550, ("Illawarra Road", "Petersham Road")),
    Suburb("Newtown", "2042", -33.8970, 151.1790, ("Australia Street", "Wilson Street")),
    Suburb("Leichhardt", "2040", -33.8830, 151.1570, ("Marion Street", "Elswick Street")),
    Suburb("Balmain", "2041", -33.8590, 151.1790, ("Beattie Street", "Rowntree Street")),
    Suburb("Glebe", "2037", -33.8790, 151.1860, ("Bridge Road", "Wigram Road")),
    Suburb("Ashfield", "2131", -33.8880, 151.1250, ("Norton Street", "Elizabeth Street")),
    Suburb("Summer Hill", "2130", -33.8910, 151.1380, ("Smith Street", "Moonbie Street")),
    Suburb("Dulwich Hill", "2203", -33.9050, 151.1390, ("Marrickville Road", "Constitution Road")),
    Suburb("Drummoyne", "2047", -33.8530, 151.1540, ("Lyons Road", "Wrights Road")),
    Suburb("Five Dock", "2046", -33.8660, 151.1290, ("Great North Road", "Garfield Street")),
    Suburb("Burwood", "2134", -33.8770, 151.1040, ("Burwood Road", "Railway Parade")),
    Suburb("Haberfield", "2045", -33.8800, 151.1390, ("Ramsay Street", "Dalhousie Street")),
    Suburb("Lane Cove", "2066", -33.8150, 151.1670, ("Longueville Road", "Burns Bay Road")),
    Suburb("Chatswood", "2067", -33.7970, 151.1830, ("Archer Street", "Victoria Avenue")),
    Suburb("Willoughby", "2068", -33.8010, 151.1990, ("Mowbray Road", "Laurel Street")),
    Suburb("North Sydney", "2060", -33.8390, 151.2070, ("Miller Street", "Ridge Street")),
    Suburb("Crows Nest", "2065", -33.8260, 151.2040, ("Falcon Street", "Alexander Street")),
    Suburb("Mosman", "2088", -33.8290, 151.2440, ("Military Road", "Raglan Street")),
    Suburb("Cremorne", "2090", -33.8290, 151.2270, ("Gerard Street", "Murdoch Street")),
    Suburb("Artarmon", "2064", -33.8090, 151.1850, ("Hampden Road", "Francis Road")),
)

FAMILIES: Final = (
    Family("Nguyen", ("Linh", "Minh"), (("Hoa Nguyen", "mother"), ("Duc Nguyen", "father"))),
    Family("Papadopoulos", ("Eleni",), (("Stavros Papadopoulos", "father"),)),
    Family("Williams", ("Jarrah",), (("Kirra Williams", "mother"),)),
    Family("Zhang", ("Yifan", "Yutong"), (("Wei Zhang", "father"), ("Li Na", "mother"))),
    Family("Haddad", ("Omar",), (("Rania Haddad", "mother"),)),
    Family("Singh", ("Harpreet", "Jasleen"), (("Gurmeet Singh", "father"), ("Manpreet Kaur", "mother"))),
    Family("O'Brien", ("Declan",), (("Siobhan O'Brien", "mother"),)),
    Family("Rossi", ("Chiara",), (("Marco Rossi", "father"),)),
    Family("Tupou", ("Sione",), (("Ana Tupou", "mother"),)),
    Family("Kim", ("Ji-woo",), (("Hyun-ju Kim", "mother"),)),
    Family("Fernandez", ("Mateo",), (("Lucia Fernandez", "mother"), ("Diego Fernandez", "father"))),
    Family("Kowalczyk", ("Zofia",), (("Anna Kowalczyk", "mother"),)),
    Family("Mohamed", ("Ayaan",), (("Fadumo Mohamed", "mother"),)),
    Family("Smith", ("Charlotte", "Oliver"), (("Rebecca Smith", "mother"), ("Andrew Smith", "father"))),
    Family("Jones", ("Lachlan",), (("Fiona Jones", "mother"),)),
    Family("Brown", ("Matilda",), (("Peter Brown", "father"),)),
    Family("Taylor", ("Cooper",), (("Narelle Taylor", "mother"),)),
    Family("Patel", ("Aarav",), (("Hetal Patel", "mother"),)),
    Family("Sharma", ("Diya",), (("Rajesh Sharma", "father"),)),
    Family("Perera", ("Dinuka",), (("Chamari Perera", "mother"),)),
    Family("Santos", ("Isabella",), (("Maricel Santos", "mother"),)),
    Family("Reyes", ("Joaquin",), (("Grace Reyes", "mother"),)),
    Family("Tanaka", ("Haruka",), (("Kenji Tanaka", "father"),)),
    Family("Suryadi", ("Putri",), (("Dewi Suryadi", "mother"),)),
    Family("Osei", ("Kwame",), (("Abena Osei", "mother"),)),
    Family("Petrov", ("Nikolai",), (("Irina Petrov", "mother"),)),
    Family("Murphy", ("Saoirse",), (("Liam Murphy", "father"),)),
    Family("Cohen", ("Noah",), (("Miriam Cohen", "mother"),)),
    Family("Yilmaz", ("Elif",), (("Mehmet Yilmaz", "father"),)),
    Family("Hosseini", ("Dariush",), (("Shirin Hosseini", "mother"),)),
    Family("Costa", ("Bianca",), (("Paulo Costa", "father"),)),
    Family("Thapa", ("Sujan",), (("Sunita Thapa", "mother"),)),
    Family("Le", ("Thao",), (("Quang Le", "father"),)),
    Family("Chan", ("Ka-ming",), (("Mei Chan", "mother"),)),
    Family("Walker", ("Tjarra",), (("Marlee Walker", "grandmother"),)),
    Family("Anderson", ("Isla",), (("Scott Anderson", "father"),)),
    Family("Campbell", ("Hamish",), (("Morag Campbell", "mother"),)),
    Family("Dimitriou", ("Alexia",), (("Costa Dimitriou", "grandfather"),)),
    Family("Nasser", ("Layla",), (("Samir Nasser", "father"),)),
    Family("Faleolo", ("Malia",), (("Tavita Faleolo", "father"),)),
    Family("Wilson", ("Jack", "Ruby"), (("Helen Wilson", "mother"),)),
    Family("Martin", ("Amelie",), (("Claire Martin", "mother"),)),
    Family("Gupta", ("Rohan",), (("Neha Gupta", "mother"),)),
    Family("Novak", ("Tomas",), (("Jana Novak", "mother"),)),
    Family("Abebe", ("Selam",), (("Dawit Abebe", "uncle"),)),
    Family("Hughes", ("Bronte",), (("Gareth Hughes", "father"),)),
    Family("Moreno", ("Camila",), (("Andres Moreno", "partner"),)),
    Family("Ivanova", ("Daria",), (("Pavel Ivanov", "partner"),)),
    Family("Bennett", ("Finn",), (("Sarah Bennett", "mother"),)),
    Family("Lim", ("Jun Hao",), (("Siew Ling Lim", "mother"),)),
    Family("Kelly", ("Tahlia",), (("Brendan Kelly", "father"),)),
    Family("Ramos", ("Angelo",), (("Teresita Ramos", "aunt"),)),
    Family("Park", ("Seo-yeon",), (("Min-ho Park", "father"),)),
    Family("Edwards", ("Archie",), (("Joanne Edwards", "mother"),)),
    Family("Khan", ("Zara",), (("Tariq Khan", "father"),)),
)
