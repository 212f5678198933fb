"""ResNets of torchvision as encoders: their normalisation is folded into the convolutions."""

from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from small import save_encoders
from torch import nn

from prodmatch.encoders.networks.image import load_network
from prodmatch.encoders.networks.model_writer import EncoderFiles
from prodmatch.errors import ModelError
from prodmatch.model.preprocessing import ImageSpec


@pytest.mark.parametrize("folded", [True, False])
def test_a_folded_network_gives_the_same_features(folded: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    resnet = torchvision.models.resnet18(weights=None)
    for module in resnet.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    save_file(resnet.state_dict(), tmp_path / "model.safetensors")
    spec = ImageSpec("resnet18", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    network = load_network(tmp_path, spec, folded=folded).eval()
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules()) is not folded
    pixels = torch.randint(0, 255, (2, 64, 64, 3), dtype=torch.uint8)
    resnet.fc = nn.Identity()
    with torch.inference_mode():
        exact = resnet.eval()((pixels.permute(0, 3, 1, 2) - 127.5) / 127.5)
        torch.testing.assert_close(network(pixels), exact, rtol=1e-3, atol=1e-4)


def test_weights_of_another_network_are_one_short_message(tmp_path: Path) -> None:
    state = torchvision.models.resnet34(weights=None).state_dict()
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="does not hold a resnet18") as found:
        load_network(tmp_path, ImageSpec("resnet18"))
    assert "Unexpected key" in str(found.value)
    assert len(str(found.value)) < 300 + len(str(tmp_path))


def test_a_file_of_weights_of_another_network_is_named(tmp_path: Path) -> None:
    """And not a copy of it in a store."""
    text = save_encoders(tmp_path / "own").text
    path = tmp_path / "other.pth"
    torch.save(torchvision.models.resnet34(weights=None).state_dict(), path)
    with pytest.raises(ModelError, match=rf"^{path}: does not hold a resnet18"):
        EncoderFiles.of_files(text, "resnet18", path)
