"""The page on networks as people have them, a Caffe classifier, an ONNX detector, a Keras file, without a fault."""

from pathlib import Path

import pytest

from chromium import launched
from convscope import open_network
from convscope.web.server import serve

NETWORKS = {
    "caffe/bvlc_googlenet": ("inception_4b/output", "512 channels of 14 × 14"),
    "onnx/version-slim-320.onnx": (None, " channels of "),
    "keras/fer2013_mini_XCEPTION.119-0.65.hdf5": (None, " channels of "),
}


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("name", NETWORKS)
def test_a_real_network_is_explored(shared_data: Path, name: str) -> None:
    layer, words = NETWORKS[name]
    network = open_network(shared_data / name)
    network_layers = [one for one, facts in network.layers.items() if len(facts.shape or ()) == 4]
    shown_layer = layer or network_layers[len(network_layers) // 2]
    server, problems = serve(network, [shared_data / "pictures" / "cat.jpg"]), list[str]()
    try:
        with launched() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
            page.set_default_timeout(90_000)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
            page.on("response", lambda one: problems.append(one.url) if one.status >= 400 else None)
            page.goto(f"{server.address}#/{shown_layer}:3")
            page.locator("#grid-pane h2", has_text=words).wait_for()
            assert page.locator("#grid-pane h2").inner_text().startswith(shown_layer)
            page.get_by_text("Its answer to this picture").first.wait_for()
            page.get_by_role("img", name=f"What {shown_layer}:3 wants to see").first.wait_for()
            if network.class_values:
                page.locator(".bar .label").first.wait_for()
                page.get_by_text("The score with it, less the score").first.wait_for()
            page.keyboard.press("]")
            page.locator("#grid-pane h2", has_not_text=shown_layer).wait_for()
    finally:
        server.stop()
    assert problems == []
