"""Where a super link leads: which of the things seen a phrase means.

A phrase such as "the third red mug behind the plate" takes steps that one attention layer cannot
do at once: which things are red mugs, which is the plate, which of the former are behind it, which
of those is the third. The pointer has a place for each of these sets, learns them as such, and
counts in metres: the rank of a thing among a soft set is a sum over the set. What the phrase says
stays with the link's embedding; no word is read here (a neural module network in the sense of
Andreas et al. 2016, with one fixed layout).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embodied_agent.mllm.attention import NEVER
from embodied_agent.mllm.settings import ModelSettings
from embodied_agent.mllm.tokenizer import STATES

_HIDDEN = 64
_PAIR = 11
_MEASURES = 6
_PLACES = 3  # first, second, third
_FACTS = (1 + _PLACES) * 2 * _MEASURES + 6
_SHARP = 3.0  # ranks are counted among what fits rather than among what might
_STEP = 0.006  # [m] difference of places or sizes that begins to count
_APART = 0.03  # [m] that one thing is left of, behind, ... another
_NEAR = 0.1  # [m] between things that are next to each other


class Pointing(NamedTuple):
    """Where super-link embeddings lead, for P links of each of B sequences and N objects.

    Attributes:
        best: Logits over the objects and, last, "none", (B, P, N + 1).
        members: Logits of each object belonging to what is meant, (B, P, N).
        states: Logits of found, several, absent, ambiguous, (B, P, 4).
        link: The super-link embeddings, (B, P, D).
        alike: Logits of fitting by kind, colour and size alone, (B, P, N).
        reference: Logits of being what others are told by, or left out, (B, P, N).
        fitting: Logits of fitting in all but rank, (B, P, N).
        gates: Logits of there being a relation, and of something being left out, (B, P, 2).
    """

    best: Tensor
    members: Tensor
    states: Tensor
    link: Tensor
    alike: Tensor
    reference: Tensor
    fitting: Tensor
    gates: Tensor


def measures(places: Tensor) -> Tensor:
    """What things are ranked by: x, y, top, width, height and length, all in metres.

    Args:
        places: Centre x y z, extents x y, lowest and highest z [m], (B, N, 7).

    Returns:
        (B, N, 6); the length is that of a cube of the same volume.
    """
    extent = places[..., 3:5].clamp(min=0.002)
    tall = (places[..., 6] - places[..., 5]).clamp(min=0.002)
    area = extent.prod(-1)
    return torch.stack(
        [places[..., 0], places[..., 1], places[..., 6], area.sqrt(), tall, (area * tall) ** (1 / 3)], dim=-1
    )


def ranks(places: Tensor, share: Tensor) -> Tensor:
    """How many of a soft set come after and before each thing, by each measure.

    Args:
        places: As for `measures`, (B, N, 7).
        share: How much each thing belongs to the set, (B, P, N).

    Returns:
        (B, P, N, 12).
    """
    values = measures(places)
    apart = (values[:, None] - values[:, :, None]) / _STEP  # (B, i, j, 6)
    apart = torch.cat([apart, -apart], dim=-1).clamp(-20, 20)
    others = 1 - torch.eye(places.shape[1], device=places.device)
    beyond = apart.sigmoid() * others[None, :, :, None]
    return torch.einsum("bpj,bijm->bpim", share, beyond)


def lies(places: Tensor) -> Tensor:
    """How each thing lies to each other one: (B, N, 7) -> (B, N, N, 11); [i, j] tells where i is, seen from j."""
    centre, half = places[..., :3], places[..., 3:5] / 2
    apart = centre[:, :, None] - centre[:, None]
    flat = apart[..., :2]
    between = (flat.abs() - half[:, :, None] - half[:, None]).clamp(min=0).norm(dim=-1, keepdim=True)
    inside = (half[:, None] - flat.abs()).amin(dim=-1, keepdim=True)
    rise = (places[:, :, None, 5] - places[:, None, :, 6])[..., None]  # i's bottom over j's top
    return torch.cat(
        [torch.tanh((flat - _APART) / 0.01), torch.tanh((flat + _APART) / 0.01), torch.tanh(apart / 0.05),
         torch.tanh((between - _NEAR) / 0.02), torch.exp(-between / 0.05),
         torch.tanh(inside / 0.02), torch.tanh(rise / 0.02)],
        dim=-1,
    )  # fmt: skip


class Pointer(nn.Module):
    """Super links to objects."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        width = settings.width
        self.link = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.best_key = nn.Linear(width, width)
        self.member_key, self.member_query = nn.Linear(width, width), nn.Linear(width, width)
        self.set_keys, self.set_queries = nn.Linear(width, 2 * _HIDDEN), nn.Linear(width, 2 * _HIDDEN)
        self.set_bias = nn.Parameter(torch.zeros(2))
        self.gates = nn.Linear(width, 2)  # whether there is a relation; whether something is left out
        self.pair, self.pair_link = nn.Linear(_PAIR, _HIDDEN // 2), nn.Linear(width, _HIDDEN // 2)
        self.pair_out = nn.Linear(_HIDDEN // 2, 1)
        self.facts = nn.Linear(_FACTS, _HIDDEN)
        self.facts_link, self.facts_object = nn.Linear(width, _HIDDEN), nn.Linear(width, _HIDDEN)
        self.decide = nn.Sequential(nn.GELU(), nn.Linear(_HIDDEN, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, 2))
        self.rules = nn.Linear(width, 2 * _FACTS)  # e.g. "leftmost": none of those that fit is further left
        nn.init.zeros_(self.rules.weight)
        nn.init.zeros_(self.rules.bias)
        self.none = nn.Parameter(torch.randn(width) * 0.02)
        self.state = nn.Sequential(nn.Linear(2 * width + 4, width), nn.GELU(), nn.Linear(width, len(STATES)))

    def forward(self, hidden: Tensor, objects: Tensor, places: Tensor, present: Tensor) -> Pointing:
        """Follow super links.

        Args:
            hidden: States at `<link>`, (B, P, D).
            objects: Fused object tokens, (B, N, D).
            places: Where and how large they are, see `measures`, (B, N, 7).
            present: Which of them are there, (B, N).
        """
        link, absent = self.link(hidden), ~present[:, None]
        alike, reference = self._sets(link, objects, absent)
        gates = self.gates(link).float()
        fitting = self._fitting(link, places, gates, alike, reference).masked_fill(absent, NEVER)
        share, told = (_SHARP * fitting).sigmoid(), reference.sigmoid()
        count, rank = share.sum(-1, keepdim=True), ranks(places, share)
        facts = torch.cat(
            [rank / 2, torch.stack([
                alike.clamp(-8, 8) / 4, fitting.clamp(-8, 8) / 4, share, told,
                count.expand_as(share) / 4, told.sum(-1, keepdim=True).expand_as(share) / 4,
            ], dim=-1), *(torch.exp(-((rank - place) ** 2) / 0.2) for place in range(_PLACES))],
            dim=-1,
        )  # fmt: skip
        mixed = self.facts(facts.to(link.dtype)) + self.facts_link(link)[:, :, None]
        change = self.decide(mixed + self.facts_object(objects)[:, None]).float()
        rules = self.rules(link).float().unflatten(-1, (2, _FACTS))
        change = change + torch.einsum("bpkf,bpnf->bpnk", rules, facts)
        scale = link.shape[-1] ** 0.5
        best = (link @ self.best_key(objects).transpose(1, 2)).float() / scale + change[..., 0]
        none = (link @ self.none).float()[..., None] / scale
        best = torch.cat([best.masked_fill(absent, NEVER), none], dim=-1)
        members = (self.member_query(link) @ self.member_key(objects).transpose(1, 2)).float() / scale
        members = (members + change[..., 1]).masked_fill(absent, NEVER)
        states = self._states(hidden, objects, best, members, count)
        return Pointing(best, members, states, link, alike, reference, fitting, gates)

    def _sets(self, link: Tensor, objects: Tensor, absent: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the things alike and of the reference, each (B, P, N) float32."""
        queries = self.set_queries(link).unflatten(-1, (2, _HIDDEN))
        keys = self.set_keys(objects).unflatten(-1, (2, _HIDDEN))
        logits = torch.einsum("bpsd,bnsd->sbpn", queries, keys).float() / _HIDDEN**0.5
        logits = (logits + self.set_bias[:, None, None, None]).masked_fill(absent, NEVER)
        return logits[0], logits[1]

    def _fitting(self, link: Tensor, places: Tensor, gates: Tensor, alike: Tensor, reference: Tensor) -> Tensor:
        """Logits of what is alike, stands in the relation and is not left out, (B, P, N)."""
        pair = F.gelu(self.pair(lies(places).to(link.dtype))[:, None] + self.pair_link(link)[:, :, None, None])
        holds = self.pair_out(pair)[..., 0].float()  # (B, P, i, j)
        itself = torch.eye(places.shape[1], device=places.device) * NEVER
        stands = (F.logsigmoid(reference)[:, :, None] + F.logsigmoid(holds) + itself).amax(-1)
        said, unsaid = F.logsigmoid(gates)[..., None], F.logsigmoid(-gates)[..., None]
        # log of: no relation, or it holds; nothing is left out, or not this
        relation = torch.logaddexp(unsaid[..., 0, :].expand_as(stands), said[..., 0, :] + stands)
        kept = torch.logaddexp(unsaid[..., 1, :].expand_as(stands), said[..., 1, :] + F.logsigmoid(-reference))
        likely = (F.logsigmoid(alike) + relation + kept).clamp(max=-1e-4)
        odds: Tensor = likely - torch.log(-torch.expm1(likely))
        return odds

    def _states(self, hidden: Tensor, objects: Tensor, best: Tensor, members: Tensor, count: Tensor) -> Tensor:
        weights = best.softmax(-1)
        looked = weights[..., :-1].to(objects.dtype) @ objects
        meant = members.sigmoid().sum(-1, keepdim=True)
        counted = torch.cat([torch.tanh(meant), meant / 4.0, weights[..., -1:], count / 4.0], dim=-1)
        states: Tensor = self.state(torch.cat([hidden, looked, counted.to(hidden.dtype)], dim=-1)).float()
        return states
