"""Five figures of a company: what its tool says, and the words people use for it.

`said` are paraphrases: never the tool's label, though some share a word with it ("market cap"). Those of `dev` and of
`test` differ, so that what is chosen on the one is not fitted to the other. `questions` go into the index in the rows
with 5 and 10 questions per template (ScaleMCP's synthetic questions); none contains a paraphrase of `test`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """`key` ends the tool's name; `label` is what the tool calls it; values lie between `low` and `high`."""

    key: str
    label: str
    unit: str
    low: float
    high: float
    said: Mapping[str, tuple[str, ...]]
    questions: tuple[str, ...]


METRICS = (
    Metric(
        "revenue",
        "revenue",
        "millions of US dollars",
        500,
        400_000,
        {
            "dev": ("top line", "total sales", "turnover", "money coming in from customers"),
            "test": ("sales figure", "gross takings", "annual sales", "money taken from buyers"),
        },
        (
            "How much did {company} sell?",
            "What are the sales of {company}?",
            "How big is the business of {company} in dollars of sales?",
            "What did {company} take in before costs?",
            "Did the turnover of {company} grow?",
            "What is the top line of {ticker}?",
            "How much money do customers spend at {company}?",
            "Sales numbers for {ticker}",
            "What was billed by {company} over the year?",
            "How much income from sales does {ticker} report?",
        ),
    ),
    Metric(
        "net_income",
        "net income",
        "millions of US dollars",
        -2_000,
        60_000,
        {
            "dev": ("bottom line", "profit after tax", "profit once everything is paid", "annual profit"),
            "test": (
                "overall profit",
                "surplus after all costs",
                "result after tax",
                "gain left when all bills are settled",
            ),
        },
        (
            "How profitable is {company}?",
            "What profit did {company} make?",
            "What was left for {company} after all expenses and taxes?",
            "Did {company} make or lose money?",
            "What is the bottom line of {company}?",
            "Net profit of {ticker}",
            "How much did {company} earn in total?",
            "Was {ticker} in the black?",
            "Profit or loss of {company} for the year",
            "What did {ticker} earn after tax?",
        ),
    ),
    Metric(
        "eps",
        "earnings per share",
        "US dollars",
        -5,
        40,
        {
            "dev": ("EPS", "profit for each share held", "profit on one share"),
            "test": ("per-share profit", "profit divided by the number of shares", "profit belonging to each share"),
        },
        (
            "What is the EPS of {company}?",
            "How much profit is there for each share of {company}?",
            "What did one share of {company} earn?",
            "Profit by share at {company}",
            "What does {company} earn for every share held?",
            "EPS for {ticker}",
            "Per-share result of {company}",
            "How much of the profit of {ticker} belongs to a single share?",
            "What are diluted earnings for each {company} share?",
            "Did {ticker} beat its EPS?",
        ),
    ),
    Metric(
        "stock_price",
        "stock price",
        "US dollars",
        3,
        900,
        {
            "dev": ("share quote", "cost of one share", "closing quote"),
            "test": ("current quote", "trading level of a share", "going rate of a share"),
        },
        (
            "What does a share of {company} cost?",
            "What is {company} trading at?",
            "How much is one {company} share?",
            "What is the quote for {company}?",
            "Where did {company} close?",
            "{ticker} quote",
            "What do I pay for a share of {ticker}?",
            "Current share price of {company}",
            "How is {ticker} trading?",
            "What is the last price of {company}?",
        ),
    ),
    Metric(
        "market_cap",
        "market capitalization",
        "billions of US dollars",
        0.5,
        900,
        {
            "dev": ("market cap", "exchange valuation", "value of all shares together"),
            "test": ("stock market valuation", "worth of the whole company", "total value of the shares outstanding"),
        },
        (
            "How much is {company} worth?",
            "What is the market cap of {company}?",
            "What is the valuation of {company} on the stock market?",
            "What are all shares of {company} worth together?",
            "How large is {company} by market value?",
            "Market cap {ticker}",
            "What would it cost to buy all of {company}?",
            "Is {ticker} a large cap?",
            "Total market value of {company}",
            "How does the market value {ticker}?",
        ),
    ),
)
