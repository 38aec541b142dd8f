"""The colour reader sees a heap of pixels: what it learns of a colour holds for every shape."""

import pytest
import torch

from embodied_agent.mllm.colors import ColorReader
from embodied_agent.mllm.vocabulary import COLORS

SIDE = 48


@pytest.fixture(scope="module")
def reader() -> ColorReader:
    torch.manual_seed(0)
    return ColorReader().eval().requires_grad_(False)


@pytest.fixture
def picture() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    own = torch.zeros(2, SIDE, SIDE)
    own[:, 10:30, 8:40] = 1.0
    return torch.randn(2, 3, SIDE, SIDE), own


def test_it_names_one_of_the_colours(reader: ColorReader, picture: tuple[torch.Tensor, torch.Tensor]) -> None:
    assert reader(*picture).shape == (2, len(COLORS))


def test_where_a_pixel_lies_does_not_matter(
    reader: ColorReader, picture: tuple[torch.Tensor, torch.Tensor]
) -> None:
    rgb, own = picture
    order = torch.randperm(24 * 24)
    shuffled, mask = torch.zeros_like(rgb), torch.zeros_like(own)
    shuffled[:, :, ::2, ::2] = rgb[:, :, ::2, ::2].flatten(2)[:, :, order].reshape(2, 3, 24, 24)
    mask[:, ::2, ::2] = own[:, ::2, ::2].flatten(1)[:, order].reshape(2, 24, 24)
    assert torch.allclose(reader(rgb, own), reader(shuffled, mask), atol=1e-5)


def test_what_lies_around_a_thing_does_not_matter(
    reader: ColorReader, picture: tuple[torch.Tensor, torch.Tensor]
) -> None:
    rgb, own = picture
    elsewhere = torch.where(own[:, None] > 0, rgb, torch.full_like(rgb, 3.0))
    assert torch.allclose(reader(rgb, own), reader(elsewhere, own), atol=1e-5)


def test_without_any_pixel_it_still_answers(reader: ColorReader) -> None:
    names = reader(torch.zeros(1, 3, SIDE, SIDE), torch.zeros(1, SIDE, SIDE))
    assert torch.isfinite(names).all()
