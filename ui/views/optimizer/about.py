"""What an optimizer is: paper, formula, and when it is the right one."""

import re
from collections.abc import Sequence

import streamlit as st

from trainers.formula import Formula
from trainers.formulas import FORMULAS
from trainers.hyperparameters import OptimizerSpec
from ui.components.formats import plain

_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


def about(spec: OptimizerSpec) -> None:
    """Show the section."""
    formula = FORMULAS[spec.name]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"### {spec.title}", width="content")
        if spec.bayesian:
            st.badge("Bayesian", color="green", icon=":material/blur_on:")
        else:
            st.badge("One set of weights", color="gray", icon=":material/adjust:")
        st.caption(f"`{formula.code}`", width="content")
    st.markdown(plain(spec.summary))
    st.markdown(with_links(spec.paper))
    left, right = st.columns([3, 2])
    with left, st.container(border=True, height="stretch"):
        _formula(formula)
    with right, st.container(border=True, height="stretch"):
        _advice("Good for", formula.good_for, ":material/check:")
        _advice("Less so for", formula.less_for, ":material/remove:")
        _advice("Know that", formula.limits, ":material/info:")


def with_links(paper: str) -> str:
    """A citation in Markdown, its arXiv numbers linked."""
    parts = _ARXIV.split(paper)
    texts, numbers = parts[::2], parts[1::2]
    links = [f"[arXiv:{each}](https://arxiv.org/abs/{each})" for each in numbers]
    pairs = zip(texts, [*links, ""], strict=True)
    return "".join(plain(text) + link for text, link in pairs)


def _formula(formula: Formula) -> None:
    for line in formula.lines:
        st.latex(line)
    st.markdown(symbol_table(formula))


def symbol_table(formula: Formula) -> str:
    """Every letter with its meaning and its hyper-parameter, as a table in Markdown."""
    lines = ["| Symbol | Meaning | Hyper-parameter |", "|---|---|---|"]
    for symbol in formula.symbols:
        named = f"`{symbol.hyperparameter}`" if symbol.hyperparameter else ""
        lines.append(f"| ${symbol.letter}$ | {symbol.meaning} | {named} |")
    return "\n".join(lines)


def _advice(heading: str, lines: Sequence[str], icon: str) -> None:
    st.markdown(f"**{icon} {heading}**")
    st.markdown("\n".join(f"- {line}" for line in lines))
