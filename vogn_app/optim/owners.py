"""Which rank owns which block, and which parameters."""

from collections.abc import Collection, Mapping

from ..curvature.kronecker.blocks import Block
from ..distributed import assign_owners, inverse_cost
from .entries import is_diagonal


def owners_of(blocks: Mapping[str, Block], num_ranks: int) -> dict[str, int]:
    """Owner of each block: longest work first, those with a common parameter as one.

    Args:
        blocks: The blocks by name, in an order that is the same on all ranks.
        num_ranks: Number of ranks.

    Returns:
        Rank by block.
    """
    teams: list[list[str]] = []
    team_of: dict[str, list[str]] = {}  # by parameter
    for name, block in blocks.items():
        parameters = [part.name for part in block.parts.values()]
        team = next((team_of[p] for p in parameters if p in team_of), None)
        if team is None:
            teams.append(team := [])
        team.append(name)
        team_of |= dict.fromkeys(parameters, team)
    costs = [sum(cost_of(blocks[name]) for name in team) for team in teams]
    owners = assign_owners(costs, num_ranks)
    pairs = zip(teams, owners, strict=True)
    return {name: owner for team, owner in pairs for name in team}


def cost_of(block: Block) -> float:
    """Cost of inverting a block's statistics: cubes of sizes, numbers of diagonals."""
    return sum(
        count * size if is_diagonal(block, side) else inverse_cost([size], count)
        for side, (count, size) in block.sizes.items()
    )


def parameter_owners(
    parameters: Collection[str],
    blocks: Mapping[str, Block],
    block_owners: Mapping[str, int],
    num_ranks: int,
) -> dict[str, int]:
    """Owner of each parameter: that of its block; others go to the ranks in turn.

    Args:
        parameters: Their names.
        blocks: By name.
        block_owners: Owner of each block.
        num_ranks: Number of ranks.

    Returns:
        Rank by parameter.
    """
    owners = {
        part.name: block_owners[name]
        for name, block in blocks.items()
        for part in block.parts.values()
    }
    left = [name for name in parameters if name not in owners]
    turns = {name: number % num_ranks for number, name in enumerate(left)}
    return {
        name: owners[name] if name in owners else turns[name] for name in parameters
    }
