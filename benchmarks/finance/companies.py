"""A thousand companies that do not exist, with figures that never change: the same seed, the same market.

Names share words as real ones do (General Electric, General Motors): neither the first word of a name nor its trade
tells a company from all others.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

YEARS = (2021, 2022, 2023, 2024)

_FIRST = """
Abbott Adler Alden Alpine Amber Anchor Apex Arbor Arden Ashford Aspen Atlas Aurora Avalon Baldwin Banner Barlow Beacon
Bedford Birch Blackwood Bluestone Bolton Boreal Bradford Bridger Bristol Broadway Calder Cambria Canyon Cardinal Carver
Cascade Cedar Chandler Clearwater Coastal Colby Compass Concord Copper Coral Cornell Crescent Cromwell Crown Cypress
Dalton Delmar Denali Dorset Drummond Eagle Eastport Ellis Elmwood Emerson Ensign Everett Fairfax Falcon Fenwick Fielding
Foxglove Frontier Garland Glacier Glenn Golden Granite Grayson Greenfield Hadley Halcyon Hamlin Harbor Hartford Haven
Hawthorne Heritage Highland Holloway Horizon Hudson Ironwood Ivory Jasper Juniper Keller Kendall Keystone Kingsley
Lakeview Langley Laurel Liberty Lincoln Linden Lockwood Lowell Magnolia Mariner Marlowe Meridian Midland Monarch Mosaic
Northgate Oakley Orchard Pacific Palmer Paragon Patriot Pembroke Phoenix Pinnacle Pioneer Prairie Prescott Quarry
Redwood Regent Ridgeway Riverside Rockport Sable Saxon Sentinel Sheffield Sierra Silver Somerset Southern Sterling
Summit Thornton Titan Trident Tudor Union Valley Vanguard Vista Waverly Westbrook Whitman Windsor Woodland Yorkshire
Zenith
"""
_TRADE = """
Aerospace|Airlines|Apparel|Automotive|Bancorp|Beverages|Biotech|Brands|Cable|Chemical|Communications|Constructors
Data Systems|Electric|Energy|Engineering|Entertainment|Financial|Foods|Freight Lines|Gas|Health|Homes|Hotels|Industries
Insurance|Logistics|Machinery|Materials|Medical|Mining|Motors|Networks|Oil|Outfitters|Packaging|Paper|Petroleum
Pharmaceuticals|Power|Properties|Rail|Resources|Restaurants|Robotics|Semiconductor|Shipping|Software|Solar|Steel|Stores
Technologies|Textiles|Tools|Toys|Trucking|Utilities|Waste|Water
"""


@dataclass(frozen=True, slots=True)
class Company:
    """`ticker`: two to five capitals, of this company alone."""

    name: str
    ticker: str
    seed: int

    def figure(self, metric: str, year: int, low: float, high: float) -> float:
        """A number between `low` and `high`, to two places: the same for ever."""
        drawn = hashlib.sha256(f"{self.seed}/{self.ticker}/{metric}/{year}".encode()).digest()
        return round(low + (high - low) * int.from_bytes(drawn[:6], "big") / 2**48, 2)


def companies(count: int, seed: int) -> list[Company]:
    """`count` companies, at most a few thousand; fewer are the first of more."""
    chance = random.Random(seed)
    trades = [trade for line in _TRADE.split("\n") for trade in line.split("|") if trade]
    names = [f"{first} {trade}" for first in _FIRST.split() for trade in trades]
    chance.shuffle(names)
    taken: set[str] = set()
    return [Company(name, _ticker(name, taken), seed) for name in names[:count]]


def _ticker(name: str, taken: set[str]) -> str:
    """The first letters of the first word and one of the trade; longer where that is taken."""
    first, _, trade = name.upper().partition(" ")
    trade = trade.replace(" ", "")
    found = next(
        candidate
        for candidate in (first[:head] + trade[at] for head in range(2, 5) for at in range(len(trade)))
        if candidate not in taken
    )
    taken.add(found)
    return found
