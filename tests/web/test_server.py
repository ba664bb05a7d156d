"""The page's server, asked over real sockets: what it answers, and whom it refuses."""

import gc
import io
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any, cast

import numpy as np
import pytest
import requests
import torch
from PIL import Image, ImageCms
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from convscope import open_network
from convscope.attribution.sanity_check import randomized
from convscope.attribution.target import target_of
from convscope.errors import InputError
from convscope.measuring.measure import measure
from convscope.measuring.picture_list import list_pictures
from convscope.network.network import Network
from convscope.pictures.photograph import open_photograph
from convscope.pictures.picture import Picture
from convscope.web.answer_store import AnswerStore
from convscope.web.guard import LARGEST_BODY
from convscope.web.renderings import JOBS
from convscope.web.running import LARGEST_MESSAGE
from convscope.web.server import Server, serve
from convscope.web.session import Permissions, Photographs, Session
from convscope.web.sockets import MOST_UNREAD, _Desk
from planted import plain_picture, planted_files, planted_network
from web.reading import body_of, grid_of, header_of

FILE = str(Path(__file__).parents[2] / "docs" / "pictures" / "dream.png")  # of this machine, not of a viewer
HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    network = planted_network(labels=["red", "green", HOSTILE])
    made = serve(network, [plain_picture((1.0, 0.1, 0.2))])
    yield made
    made.stop()


@pytest.fixture(scope="module")
def picture(server: Server) -> str:
    return server.session.pictures.pinned()[0]


def get(server: Server, path: str, **options: object) -> requests.Response:
    return requests.get(server.address + path, timeout=60, **options)  # type: ignore[arg-type]


def test_what_the_page_is_told(server: Server) -> None:
    facts = get(server, "api/network").json()
    assert [layer["name"] for layer in facts["layers"]][:3] == ["data", "conv1", "pool1"]
    assert facts["labels"][2] == HOSTILE
    assert facts["layers"][1]["field"] == {"start": [-2, -2], "stride": [1, 1], "size": [5, 5]}
    assert {"dream", "style"} == set(facts["forms"])
    assert get(server, "").headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in get(server, "static/main.js").headers["content-security-policy"]


def test_the_red_detector_lights_up(server: Server, picture: str) -> None:
    grid = grid_of(get(server, f"api/grid?picture={picture}&layer=conv2").content)
    expected = server.session.network.activations(
        server.session.network.preprocess(plain_picture((1.0, 0.1, 0.2))), "conv2"
    )["conv2"][0]
    np.testing.assert_allclose(grid["high"], expected.flatten(1).amax(1).numpy(), rtol=1e-6)
    assert grid["high"].argmax() == 0
    assert get(server, f"api/says?picture={picture}").json()[0]["label"] == "red"


def test_a_step_to_the_next_layer_waits_for_no_job(server: Server, picture: str) -> None:
    """One run gives the layers beside it, too; a grid of one of those needs no run, and so not the worker's time."""
    assert get(server, f"api/grid?picture={picture}&layer=conv1").status_code == 200
    free = Event()
    server.session.worker.ask("another", lambda: free.wait(60))
    try:
        found = [
            grid_of(get(server, f"api/grid?picture={picture}&layer={name}").content)
            for name in ("pool1", "conv2")
        ]
    finally:
        free.set()
    network = server.session.network
    expected = network.activations(network.preprocess(plain_picture((1.0, 0.1, 0.2))), "pool1", "conv2")
    for grid, values in zip(found, expected.values(), strict=True):
        np.testing.assert_allclose(grid["high"], values[0].flatten(1).amax(1).numpy(), rtol=1e-6)
    units = json.dumps({"conv1:0": 0.0})  # what is known is known of the network as it is
    answer = get(server, "api/grid", params={"picture": picture, "layer": "conv1", "units": units})
    assert grid_of(answer.content)["high"][0] == 0
    after = list(network.layers)[list(network.layers).index("conv2") + 1]
    until(lambda: bool(server.session.answers.known([after], json.dumps([picture, {}]))))  # looked ahead


def test_what_is_asked_again_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    session, runs, run = Session(planted_network()), list[str](), Network.activations

    def counted(network: Network, *arguments: Any) -> Any:
        runs.append(network.name)
        return run(network, *arguments)

    monkeypatch.setattr(Network, "activations", counted)
    first, second = (
        session.pictures.add(plain_picture(color)) for color in ((1.0, 0.1, 0.2), (0.1, 0.1, 0.9))
    )
    for picture, label in ((first, "red"), (second, "blue"), (first, "red")):
        assert session.says(picture, {})[0]["label"] == label
    assert len(runs) == 2
    unset, silenced = session.says(first, {}), session.says(first, {"conv2:0": 0.0})
    assert len(runs) == 3 and unset != silenced
    effects = session.effects("conv2:0", first)
    assert len(runs) <= 5 and effects[0]["index"] == 0
    session.effects("conv2:1", first)
    assert len(runs) <= 6  # the network as it is was known, the one without the unit was not
    session.worker.end()


def test_numbers_that_are_none_are_told_as_such() -> None:
    """JSON has no NaN: a unit's facts were "a question that makes no sense"."""
    network = planted_network()
    bias = network.parameters["conv2.bias"].clone()
    bias[0] = float("nan")
    served = serve(network.with_parameters({"conv2.bias": bias}), [plain_picture((1.0, 0.1, 0.2))])
    asked = {"unit": "conv2:0", "picture": served.session.pictures.pinned()[0]}
    facts = get(served, "api/unit", params=asked).json()
    assert facts["highest"] is None and facts["fedBy"]
    effects = get(served, "api/effects", params=asked | {"unit": "conv1:0"})
    assert (effects.status_code, "NaN or infinite" in effects.json()["error"]) == (400, True)
    says = get(served, "api/says", params=asked)
    assert "NaN or infinity to this picture: the first" in says.json()["error"]
    served.stop()


def test_answers_that_were_not_asked_for_longest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    network, store = planted_network(), AnswerStore()
    photograph = open_photograph(plain_picture((1.0, 0.1, 0.2)))
    size = sum(value.nbytes for value in store.of(network, photograph, ["conv1"], "first").values())
    monkeypatch.setattr("convscope.web.answer_store.MOST_BYTES", 2 * size)
    for given in ("second", "first", "third"):
        store.of(network, photograph, ["conv1"], given)
    known = [bool(store.known(["conv1"], given)) for given in ("first", "second", "third")]
    assert known == [True, False, True]
    assert store._bytes == sum(value.nbytes for value in store._kept.values()) <= 2 * size


def test_channels_that_answer_together_are_grouped(server: Server) -> None:
    picture = plain_picture((1.0, 0.1, 0.1)).copy()
    picture[:, 10:] = 255 * np.array((0.1, 1.0, 0.1))
    key = server.session.pictures.add(picture)
    found = grid_of(get(server, f"api/groups?picture={key}&layer=conv2&count=2").content)
    assert [group["channels"][0] for group in found["groups"]] == [1, 0]  # green has more of the picture
    assert found["explained"] > 0.95
    green, red = found["tiles"].astype(int)
    assert red[:, :4].min() > red[:, 6:].max() and green[:, 6:].min() > green[:, :4].max()
    answer = get(server, f"api/groups?picture={key}&layer=prob&count=2")
    assert answer.status_code == 400 and "has none" in answer.json()["error"]


def test_units_that_are_set_change_the_answer(server: Server, picture: str) -> None:
    units = json.dumps({"conv2:0": 0.0, "conv2:1": 5.0})
    says = get(server, "api/says", params={"picture": picture, "units": units}).json()
    assert says[0]["label"] == "green"


@pytest.mark.parametrize(
    "path",
    [
        "api/grid?picture=PICTURE&layer=nowhere",
        "api/grid?picture=unknown&layer=conv1",
        "api/grid?layer=conv1",
        "api/unit?unit=conv1",
        "api/unit?unit=conv1:99",
        "api/says?picture=PICTURE&units=[1]",
        "api/says?picture=PICTURE&units={",
        "api/says?picture=PICTURE&units=" + 5000 * "[",
        "api/says?picture=PICTURE&units=" + 2000 * '{"a":',
        'api/says?picture=PICTURE&units={"conv1:0":1' + 400 * "0" + "}",
        'api/says?picture=PICTURE&units={"conv1:0":NaN}',
        "api/groups?picture=PICTURE&layer=conv1&count=" + 5000 * "9",
        "api/arithmetic?picture=PICTURE&unit=conv1:0@99,0",
        "api/arithmetic?picture=PICTURE&unit=conv1:0@9",
        "api/grid?picture=PICTURE&layer=%00",
        "api/unit?unit=conv1:" + 30 * "9",
        "api/kept?" + 65 * "unit=conv1:0&",
        "api/backward?picture=PICTURE&unit=conv2:0&view=nothing",
        "api/seen/..%2f..%2fetc%2fpasswd",
        "api/whole/..%2f..%2fetc%2fpasswd",
        "api/address?name=scores:gren",
    ],
)
def test_a_question_that_makes_no_sense_gets_a_sentence(server: Server, picture: str, path: str) -> None:
    answer = get(server, path.replace("PICTURE", picture))
    assert answer.status_code in (400, 404)
    assert "Traceback" not in answer.text


def test_real_pictures_of_a_unit(server: Server, tmp_path: Path) -> None:
    assert "--photographs" in get(server, "api/examples?unit=conv2:0").json()["error"]
    for name, color in (("a", (0.9, 0.1, 0.1)), ("b", (0.1, 0.9, 0.1))):
        Image.fromarray(plain_picture(color)).save(tmp_path / f"{name}.png")
    network, listed = server.session.network, list_pictures(tmp_path)
    made = serve(network, photographs=Photographs(listed, measure(network, listed)))
    try:
        assert get(made, "api/network").json()["measured"] == 2
        photographs = get(made, "api/unit?unit=conv2:0").json()["photographs"]
        assert photographs["pictures"] == 2
        assert photographs["highest"] == sorted(photographs["highest"])
        highest = [
            get(made, f"api/unit?unit=conv2:{one}").json()["photographs"]["highest"][-1] for one in range(3)
        ]
        assert get(made, "api/strongest?layer=conv2").json()["highest"] == highest
        assert get(server, "api/strongest?layer=conv2").json()["highest"] is None
        histogram = get(made, "api/unit?unit=conv2:0").json()["histogram"]
        assert histogram["to"] == pytest.approx(photographs["highest"][-1])
        assert histogram["counts"][0] == histogram["counts"][-1] == 1 and sum(histogram["counts"]) == 2
        assert get(server, "api/unit?unit=conv2:0").json()["histogram"] is None
        sheet = Image.open(io.BytesIO(get(made, "api/examples?unit=conv2:0").content))
        assert min(sheet.size) > 100
    finally:
        made.stop()


def test_a_browser_shows_nothing_that_another_server_at_this_address_made(tmp_path: Path) -> None:
    """The next one may have the same port, another network of the same layers, and other photographs."""
    for name, color in (("a", (0.9, 0.1, 0.1)), ("b", (0.1, 0.9, 0.1))):
        Image.fromarray(plain_picture(color)).save(tmp_path / f"{name}.png")
    first, listed = planted_network(labels=["red", "green", "blue"]), list_pictures(tmp_path)
    turned = first.with_parameters({"conv2.weight": first.parameters["conv2.weight"].flip(0)})
    kept: dict[str, str] = {}
    for network in (first, turned, replace(first, labels=("a", "b", "c"))):
        made = serve(network, [tmp_path / "a.png"], photographs=Photographs(listed, measure(network, listed)))
        try:
            picture = made.session.pictures.pinned()[0]
            for path in ("api/examples?unit=conv2:0", f"api/seen/{picture}"):
                answer = get(made, path, headers={"If-None-Match": kept.get(path, "")})
                assert answer.status_code == 200
                kept[path] = answer.headers["etag"]
                again = get(made, path, headers={"If-None-Match": kept[path]})
                assert (again.status_code, again.content) == (304, b"")
            for path in ("", "static/main.js", "api/network", "api/examples?unit=conv2:0"):
                assert get(made, path).headers["cache-control"] == "no-cache"
        finally:
            made.stop()


def test_a_setting_never_names_a_file(server: Server, picture: str) -> None:
    units = json.dumps({"conv2:0": "/etc/passwd"})
    answer = get(server, "api/says", params={"picture": picture, "units": units})
    assert answer.status_code == 400
    assert "a number, or to a factor" in answer.json()["error"]


def test_a_picture_goes_up_and_comes_back_as_the_network_sees_it(server: Server) -> None:
    buffer = io.BytesIO()
    Image.fromarray(plain_picture((0.2, 0.8, 0.2), 50)[:30]).save(buffer, "PNG")
    found = requests.post(server.address + "api/pictures", buffer.getvalue(), timeout=60).json()
    answer = get(server, f"api/seen/{found['key']}")
    assert answer.status_code == 200, answer.text
    seen = Image.open(io.BytesIO(answer.content))
    assert seen.size == (32, 32)
    assert np.abs(np.asarray(seen, int) - [51, 204, 51]).max() <= 1
    whole = Image.open(io.BytesIO(get(server, f"api/whole/{found['key']}").content))
    assert whole.size == (50, 30)  # what a dream of it is compared with: not the square that the network sees


def test_what_is_no_picture_or_too_large_is_refused(server: Server) -> None:
    answer = requests.post(server.address + "api/pictures", b"not a picture", timeout=60)
    assert answer.status_code == 400
    head = f"POST /api/pictures HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {LARGEST_BODY + 1}\r\n\r\n"
    assert "413" in said_to(server, head)


def said_to(server: Server, request: str) -> str:
    """Return the first line that raw bytes are answered with."""
    port = int(server.address.rstrip("/").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall(request.encode())
        return sock.recv(4096).decode().splitlines()[0]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "[::1",
        "2130706433",
        "",
    ],
)
def test_a_foreign_host_is_refused(server: Server, host: str) -> None:
    assert "421" in said_to(server, f"GET /api/network HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:1", "http://[", "http://127.0.0.1:1@evil.example"],
)
def test_a_foreign_page_may_neither_send_nor_open_a_socket(server: Server, origin: str) -> None:
    answer = requests.post(server.address + "api/sample/coffee", headers={"Origin": origin}, timeout=60)
    assert answer.status_code == 403
    for path in ("api/jobs", "api/live"):
        with pytest.raises((WebSocketException, OSError)), socket_to(server, path, origin) as opened:
            opened.recv(timeout=5)


@pytest.mark.parametrize(("site", "mode", "status"), [
    ("cross-site", "no-cors", 403),  # a picture or a script in another page
    ("same-site", "cors", 403),  # another server of this machine
    ("cross-site", "navigate", 200),  # a link, or a notebook's frame
    ("same-origin", "cors", 200),
    ("none", "navigate", 200),
])  # fmt: skip
def test_another_page_may_lead_here_and_show_nothing_of_it(
    server: Server, site: str, mode: str, status: int
) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    assert get(server, "api/network", headers=headers).status_code == status


def test_what_goes_wrong_inside_is_said(
    server: Server, picture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("convscope.web.session.unit_facts", broken)
    answer = get(server, f"api/unit?unit=conv1:0&picture={picture}")
    assert answer.status_code == 500
    assert answer.json()["error"].endswith("which should not be: ZeroDivisionError: by zero")


def socket_to(server: Server, path: str, origin: str | None = None):  # type: ignore[no-untyped-def]
    address = server.address.replace("http", "ws", 1)
    own = server.address.rstrip("/")
    return connect(address + path, origin=origin or own, max_size=None)  # type: ignore[arg-type]


def test_no_path_leads_out_of_the_page(server: Server) -> None:
    for path in (
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/..%2f..%2fapp.py",
    ):
        status = said_to(server, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert "404" in status or "400" in status


def test_a_job_streams_and_its_last_word_is_its_end(server: Server, picture: str) -> None:
    with socket_to(server, "api/jobs") as opened:
        wanted = {
            "id": "a",
            "kind": "see",
            "addresses": ["conv2:0", "conv1:7"],
            "options": {"steps": 8, "size": 32},
        }
        opened.send(json.dumps({"start": wanted}))
        headers = [header_of(opened.recv(timeout=60))]
        while headers[-1]["kind"] not in ("end", "error"):
            headers.append(header_of(opened.recv(timeout=60)))
    assert headers[-1]["kind"] == "end"
    final = {one["unit"]: one for one in headers if one.get("final")}
    assert final["conv2:0"]["activated"] is True
    assert final["conv1:7"]["activated"] is False  # the planted dead unit
    assert "could not be activated" in final["conv1:7"]["caption"]


def test_what_was_made_once_is_there_for_every_later_server_and_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))  # another test's would have it
    network, job = planted_files(tmp_path), {"id": "a", "kind": "see", "addresses": ["conv2:0"]}
    query, seen = "api/kept?unit=conv2:0&unit=conv2:1", list[bytes]()
    for turn in range(2):
        made = serve(open_network(network))
        try:
            assert len(header_of(get(made, query).content)["pictures"]) == turn
            with socket_to(made, "api/jobs") as opened:
                opened.send(json.dumps({"start": job}))
                said = [opened.recv(timeout=60)]
                while header_of(said[-1])["kind"] not in ("end", "error"):
                    said.append(opened.recv(timeout=60))
        finally:
            made.stop()
        assert header_of(said[-1])["kind"] == "end"
        seen.append(body_of(said[-2]))
        assert turn == 0 or len(said) == 2  # the picture at once, without a preview
    only_shows = serve(open_network(network), permissions=Permissions(read_only=True))
    try:
        answer = get(only_shows, query).content
    finally:
        only_shows.stop()
    (picture,) = header_of(answer)["pictures"]
    assert (picture["unit"], picture["activated"], picture["bytes"]) == ("conv2:0", True, len(seen[0]))
    assert seen == [body_of(answer)] * 2


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"kind": "see", "addresses": ["nowhere:0"]}, "has no layer"),
        ({"kind": "see", "addresses": ["conv2:0"], "options": {"size": 9000}}, "use the command"),
        ({"kind": "see", "addresses": ["conv2:0"], "options": {"steps": 10**9}}, "use the command"),
        ({"kind": "see", "addresses": ["conv2:0"], "options": {"steps": float("nan")}}, "steps is a number"),
        ({"kind": "rm -rf"}, "no such job"),
        ({"kind": "dream", "picture": "unknown"}, "no longer here"),
        ({"kind": "dream"}, "picture"),
        ({"kind": "dream", "options": {"guide": FILE}}, "not guide: use the command"),
        ({"kind": "dream", "options": {"mask": FILE}}, "not mask: use the command"),
        ({"kind": "style", "options": {"start": FILE}}, "not start: use the command"),
        ({"kind": "style", "options": {"regions": [FILE]}}, "not regions: use the command"),
        ({"kind": "dream", "options": {"octaves": 10**9}}, "at most 32"),
        ({"kind": "style", "options": {"style_scale": float("inf")}}, "at most 8"),
        ({"kind": "dream", "options": {"seed": FILE}}, "seed is a number"),
        ({"kind": "dream", "layers": ["conv1"]}, "at most 64 names"),
        ({"kind": "see", "addresses": ["conv2:0"] * 65}, "at most 64 names"),
        ({"kind": "explain", "methods": ["saliency"] * 65}, "at most 64 names"),
    ],
)
def test_a_job_that_cannot_be_says_why(
    server: Server, picture: str, wanted: dict[str, object], words: str
) -> None:
    if len(wanted) > 1:
        wanted = {"picture": picture, "style": picture, **wanted}
    with socket_to(server, "api/jobs") as opened:
        opened.send(json.dumps({"start": {"id": "x", **wanted}}))
        header = header_of(opened.recv(timeout=60))
    assert header["kind"] == "error"
    assert words in header["error"]


def test_a_map_without_what_was_learned_is_as_the_sanity_check_has_it(server: Server, picture: str) -> None:
    wanted = {"picture": picture, "methods": ["saliency"], "target": "conv2:0", "sanity": True}
    with socket_to(server, "api/jobs") as opened:
        opened.send(json.dumps({"start": {"id": "a", "kind": "explain", **wanted}}))
        headers = [header_of(opened.recv(timeout=60)) for _ in range(4)]
    network = server.session.network
    target = target_of(network, plain_picture((1.0, 0.1, 0.2)), "conv2:0")
    expected = [
        (one.down_to, pytest.approx(one.rank_correlation)) for one in randomized(target, "saliency", 2)
    ]
    found = [(one["shuffled"]["downTo"], one["shuffled"]["like"]) for one in headers[1:3]]
    assert found == expected
    assert headers[-1]["kind"] == "end"


def test_one_name_is_one_job(server: Server, picture: str) -> None:
    """Or a page could take every place with jobs that it cannot end itself."""
    free = Event()
    server.session.worker.ask("another", lambda: free.wait(60))
    with socket_to(server, "api/jobs") as opened:
        for _ in range(2):
            opened.send(json.dumps({"start": {"id": "a", "kind": "dream", "picture": picture}}))
        assert "runs already" in header_of(opened.recv(timeout=60))["error"]
        opened.send(json.dumps({"cancel": "a"}))
        assert header_of(opened.recv(timeout=60)) == {"job": "a", "kind": "end"}
    free.set()


def test_a_cancelled_job_ends(server: Server) -> None:
    with socket_to(server, "api/jobs") as opened:
        wanted = {"id": "long", "kind": "see", "addresses": ["conv2:1"], "options": {"steps": 1000}}
        opened.send(json.dumps({"start": wanted}))
        opened.recv(timeout=60)
        opened.send(json.dumps({"cancel": "long"}))
        while (header := header_of(opened.recv(timeout=60)))["kind"] == "picture":
            assert not header["final"]
    assert header["kind"] == "end"


def test_cancelling_waits_for_no_step(server: Server, picture: str) -> None:
    free = Event()
    server.session.worker.ask("another", lambda: free.wait(60))
    with socket_to(server, "api/jobs") as opened:
        for name in ("first", "second"):
            opened.send(json.dumps({"start": {"id": name, "kind": "dream", "picture": picture}}))
        opened.send(json.dumps({"cancel": "first"}))
        assert header_of(opened.recv(timeout=60)) == {"job": "first", "kind": "end"}
        opened.send(json.dumps({"cancel": "second"}))
        free.set()
        assert header_of(opened.recv(timeout=60)) == {"job": "second", "kind": "end"}


def test_a_film_has_its_pictures_recipe(server: Server, picture: str, tmp_path: Path) -> None:
    options = {"size": 48, "steps": 3, "octaves": 2}
    wanted = {
        "id": "f",
        "kind": "dream",
        "picture": picture,
        "layers": "conv2",
        "options": options,
        "film": True,
    }
    found = {}
    with socket_to(server, "api/jobs") as opened:
        opened.send(json.dumps({"start": wanted}))
        while (header := header_of(data := opened.recv(timeout=60)))["kind"] != "end":
            found[header["kind"]] = header, body_of(data)
    made = {}
    for kind, name in (("picture", "dream.png"), ("film", "dream.webp")):
        (tmp_path / name).write_bytes(found[kind][1])
        made[kind] = Picture.open(tmp_path / name)
    assert found["film"][0]["words"] == "A film of the steps 1 to 6, 6 frames."
    with Image.open(tmp_path / "dream.webp") as frames:  # equal ones are one that stays longer
        assert getattr(frames, "n_frames", 0) > 1
        assert frames.size == (48, 48)
    assert made["film"].recipe == made["picture"].recipe is not None
    assert made["film"].caption == made["picture"].caption != ""


def test_a_dream_that_is_stopped_keeps_its_picture_and_goes_on(server: Server, picture: str) -> None:
    """What comes in the end is what an undisturbed dream gives, to the byte."""

    options = {"size": 48, "steps": 10, "octaves": 2}
    wanted = {"id": "d", "kind": "dream", "picture": picture, "layers": "conv2", "options": options}

    def dreamt(resume: bool = False, stop: bool = False) -> tuple[dict[str, object], np.ndarray]:
        free, image = Event(), b""
        server.session.worker.ask("another", lambda: free.wait(60))
        with socket_to(server, "api/jobs") as opened:
            opened.send(json.dumps({"start": wanted | {"resume": resume}}))
            if stop:
                opened.send(json.dumps({"stop": "d"}))
            opened.send(json.dumps({"start": {"id": "x", "kind": "none"}}))
            assert header_of(opened.recv(timeout=60))["job"] == "x"  # all three have arrived
            free.set()
            header: dict[str, object] = {}
            while (message := header_of(data := opened.recv(timeout=60)))["kind"] == "picture":
                header, image = message, body_of(data)
        assert message["kind"] == "end"
        return header, np.asarray(Image.open(io.BytesIO(image)))

    whole, pixels = dreamt()
    assert whole["final"] and whole["done"] == whole["of"] == 20
    stopped, begun = dreamt(stop=True)
    assert stopped["final"] and stopped["done"] == 1
    assert begun.size and begun.max() > begun.min()  # at the size that was worked at
    resumed, again = dreamt(resume=True)
    assert resumed["done"] == 20
    np.testing.assert_array_equal(again, pixels)


@pytest.mark.parametrize("encoding", ["rgba", "jpeg"])
def test_live_frames_light_the_red_detector(server: Server, encoding: str) -> None:
    image = Image.fromarray(plain_picture((0.95, 0.1, 0.1), 64)).resize((64, 48))
    said = {"layer": "conv2", "width": 64, "height": 48, "encoding": encoding}
    frame = image.convert("RGBA").tobytes() if encoding == "rgba" else saved(image)
    with socket_to(server, "api/live") as opened:

        def told(what: object, sent: bytes = frame) -> bytes:
            opened.send(json.dumps(what))
            opened.send(sent)
            answer = opened.recv(timeout=60)
            assert isinstance(answer, bytes)
            return answer

        grid = grid_of(told(said))
        assert grid["high"].argmax() == 0
        assert grid["says"][0]["label"] == "red"
        for nonsense in (b"no frame", frame[: len(frame) // 2], b"", "[" * 9, "7"):
            opened.send(nonsense)
            assert "error" in header_of(opened.recv(timeout=60))
        for height in (-48, 0, "48", 48.0, None, True, 47):
            assert "a frame of 64" in header_of(told({**said, "height": height}))["error"]
        other = {"rgba": "jpeg", "jpeg": "rgba"}[encoding]
        for wrong in (other, "png", None, ["jpeg"]):
            assert "frame" in header_of(told({**said, "encoding": wrong}))["error"]
        assert grid_of(told(said))["layer"] == "conv2"


def test_a_frame_that_is_a_file_is_read_without_its_profile_and_within_bounds(server: Server) -> None:
    """A canvas is sRGB whatever profile its browser writes; green where the profile swaps red and green is green."""
    said = {"layer": "conv2", "width": 32, "height": 32, "encoding": "jpeg"}
    green, huge = Image.fromarray(plain_picture((0.1, 0.9, 0.1))), Image.new("L", (5100, 5100))
    with socket_to(server, "api/live") as opened:
        for frame, size in ((saved(green, icc_profile=swapped_profile()), 32), (saved(huge), 5100)):
            opened.send(json.dumps({**said, "width": size, "height": size}))
            opened.send(frame)
            answer = opened.recv(timeout=60)
            if size == 32:
                assert grid_of(answer)["high"].argmax() == 1
            else:
                assert "5,100 x 5,100" in header_of(answer)["error"]


def saved(image: Image.Image, **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95, **how)
    return file.getvalue()


def swapped_profile() -> bytes:
    """sRGB's profile whose red is called green, and the other way round."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)


def test_twenty_viewers_at_once_each_with_a_picture_of_their_own(server: Server) -> None:
    def view(index: int) -> int:
        color = np.full(3, 0.1)
        color[index % 3] = 0.6 + 0.02 * index
        picture = io.BytesIO()
        Image.fromarray(plain_picture(color)).save(picture, "PNG")
        with requests.Session() as viewer:
            viewer.get(server.address, timeout=60)
            sent = viewer.post(f"{server.address}api/pictures", picture.getvalue(), timeout=60).json()
            query = f"picture={sent['key']}&layer=conv2"
            answer = viewer.get(f"{server.address}api/grid?{query}", timeout=60)
            return int(grid_of(answer.content)["high"].argmax())

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(view, range(20))) == [index % 3 for index in range(20)]


def test_a_page_that_reads_slowly_holds_nobody_up(
    server: Server, picture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It misses previews, never the end, and what waits for it is bounded: 250 MB were sent here."""
    sent = Event()

    def flood(*_: object) -> Iterator[tuple[dict[str, object], bytes]]:
        for number in range(4000):
            yield {"kind": "picture", "number": number, "final": number == 3999}, bytes(1 << 16)
        sent.set()

    monkeypatch.setitem(cast("dict[str, object]", JOBS), "flood", flood)
    with socket_to(server, "api/jobs") as opened:
        opened.send(json.dumps({"start": {"id": "f", "kind": "flood"}}))
        assert sent.wait(60)  # nothing was read so far
        assert get(server, f"api/says?picture={picture}").status_code == 200
        headers = [header_of(opened.recv(timeout=60))]
        while headers[-1]["kind"] != "end":
            headers.append(header_of(opened.recv(timeout=60)))
    assert headers[-2]["final"]
    assert len(headers) < 1000


def test_a_page_that_gives_orders_and_reads_nothing_is_no_longer_read(server: Server) -> None:
    """What it is told would fill the memory, and what it sends: it waits in the socket."""
    with socket_to(server, "api/jobs") as opened:
        opened.socket.settimeout(60)
        order = json.dumps({"start": {"id": 2000 * "x", "kind": "none"}})
        filled = Event()

        def give() -> None:
            with suppress(WebSocketException, OSError):
                for _ in range(100_000):  # 400 MB, there and back
                    opened.send(order)
                filled.set()

        giving = Thread(target=give, daemon=True)
        giving.start()
        until(lambda: any(desk._outbox.qsize() > MOST_UNREAD for desk in desks()))
        assert get(server, "api/network").status_code == 200
        assert not filled.is_set() and max(desk._outbox.qsize() for desk in desks()) <= MOST_UNREAD + 1
        opened.socket.shutdown(socket.SHUT_RDWR)
        giving.join(60)


def desks() -> list[_Desk]:
    return [one for one in gc.get_objects() if type(one) is _Desk]


def test_no_message_is_larger_than_a_frame(server: Server) -> None:
    for path in ("api/jobs", "api/live"):
        with socket_to(server, path) as opened, pytest.raises(WebSocketException, match="1009"):
            opened.send(bytes(LARGEST_MESSAGE + 1))
            opened.recv(timeout=60)


def test_pictures_that_arrive_wait_unread_for_room(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty of 31 MB took 1.6 GB."""
    monkeypatch.setattr("convscope.web.arrivals.MOST_ARRIVING", 100_000)
    file = io.BytesIO()
    Image.fromarray(plain_picture((0.5, 0.2, 0.2))).save(file, "PNG")
    port = int(server.address.rstrip("/").rpartition(":")[2])
    head = b"POST /api/pictures HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90000\r\n\r\n"
    arrivals = server.session.arrivals
    with socket.create_connection(("127.0.0.1", port), timeout=60) as slow:
        slow.sendall(head + b"half of it")
        until(lambda: arrivals._bytes == 90_000)
        with ThreadPoolExecutor(1) as pool:
            body = file.getvalue() + bytes(20_000)
            other = pool.submit(requests.post, f"{server.address}api/pictures", body, timeout=120)
            assert get(server, "api/network").status_code == 200
            assert not other.done() and arrivals._bytes == 90_000
            slow.close()
            assert other.result().status_code == 200
    until(lambda: arrivals._bytes == 0)


def test_a_flood_of_one_viewer_is_slowed_and_leaves_it_alive(server: Server, picture: str) -> None:
    def ask(index: int) -> int:
        return get(server, f"api/grid?picture={picture}&layer=conv1").status_code

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(ask, range(400)))
    assert set(answers) <= {200, 429, 503}
    assert get(server, "api/network").status_code == 200


def test_questions_that_nobody_waits_for_are_left_out(server: Server, picture: str) -> None:
    held, free = Event(), Event()
    server.session.worker.ask("another", lambda: (held.set(), free.wait(60)))
    assert held.wait(60)
    port = int(server.address.rstrip("/").rpartition(":")[2])
    head = f"GET /api/says?picture={picture} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    try:
        for _ in range(3):  # 72 in all, more than may wait
            asked = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(24)]
            for sock in asked:
                sock.sendall(head)
            until(lambda: waiting(server) == 24)
            for sock in asked:
                sock.close()
            until(lambda: waiting(server) == 0)
    finally:
        free.set()
    assert get(server, f"api/says?picture={picture}").status_code == 200


def waiting(server: Server) -> int:
    questions = server.session.worker._questions.get("127.0.0.1", ())
    return sum(not future.cancelled() for future, _ in list(questions))


def until(true: Callable[[], bool]) -> None:
    end = monotonic() + 120
    while not true():
        assert monotonic() < end
        sleep(0.01)


def answers(server: Server) -> bool:
    """Whether it answers now: on a busy machine a whole question may come late enough to be given up, too."""
    try:
        return get(server, "api/network").status_code == 200
    except requests.ConnectionError:
        return False


def ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(10) == b""
    except ConnectionResetError:
        return True


def test_slow_headers_hold_nobody_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than there may be connections: those that ask nothing are given up, and so are half questions."""
    monkeypatch.setattr("convscope.web.running.SLOWEST_HEAD", 0.5)
    port = int(server.address.rstrip("/").rpartition(":")[2])
    slow = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(300)]
    for index, sock in enumerate(slow):
        sock.sendall((b"", b"GET / HTTP/1.1\r\nX-Slow: ")[index % 2])
    until(lambda: answers(server))
    assert all(map(ended, slow[:2]))
    monkeypatch.setattr("convscope.web.running.SLOWEST_HEAD", 2.0)  # a busy machine sends the next lines late
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall(b"HEAD /static/icon.svg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b" 200 " in sock.recv(4096)
        sock.sendall(b"GET / HTTP/1.1\r\n")  # a further question that never ends
        assert ended(sock)
    for sock in slow:
        sock.close()


def test_a_picture_that_drips_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convscope.web.app.SLOWEST_BODY", 0.5)
    port = int(server.address.rstrip("/").rpartition(":")[2])
    head = b"POST /api/pictures HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(20)]
    for sock in slow:
        sock.sendall(head + b"drip")
    assert get(server, "api/network").status_code == 200  # meanwhile
    for sock in slow:
        assert b" 408 " in sock.recv(1000).partition(b"\r\n")[0]
        sock.close()


def test_with_a_token_only_who_knows_it_may_look() -> None:
    made = serve(planted_network(), permissions=Permissions(read_only=True, token="open sesame"))
    try:
        bare = made.address.partition("?")[0]
        assert requests.get(bare, timeout=60).status_code == 401
        assert requests.get(f"{bare}api/network?token=wrong", timeout=60).status_code == 401
        with requests.Session() as viewer:
            assert viewer.get(bare, params={"token": "open sesame"}, timeout=60).status_code == 200
            assert viewer.get(f"{bare}api/network", timeout=60).json()["readOnly"] is True
    finally:
        made.stop()


def test_others_hosts_need_a_token_and_a_taken_port_says_so(server: Server) -> None:
    made = serve(planted_network(), host="0.0.0.0")
    assert "?token=" in made.address
    made.stop()
    port = int(server.address.rstrip("/").rpartition(":")[2])
    with pytest.raises(InputError, match=r"leave the port out \(--port, port=\)"):
        serve(planted_network(), port=port)


@pytest.mark.parametrize("resize", ["squash", "shorter_side", "direct"])
def test_a_frame_that_is_sent_back_is_seen_as_before(resize: str) -> None:
    """The brush covers a part of it: were the seen picture sent, the network would cut its crop out of the crop."""
    conv = torch.nn.Conv2d(3, 2, 3)
    cut = {} if resize == "direct" else {"resize_size": 41}
    network = open_network(conv, input_shape=(1, 3, 32, 27), resize=resize, channel_order="BGR", **cut)
    made = serve(network, ["chelsea"])
    key = made.session.pictures.pinned()[0]
    answers = [get(made, f"api/{kind}/{key}").content for kind in ("seen", "frame")]
    seen, frame = (np.asarray(Image.open(io.BytesIO(answer))).astype(int) for answer in answers)
    top, left = ((large - small) // 2 for large, small in zip(frame.shape[:2], seen.shape[:2], strict=True))
    assert np.abs(frame[top : top + 32, left : left + 27] - seen).max() <= 1
    sent = requests.post(f"{made.address}api/pictures", data=answers[1], timeout=60).json()["key"]
    again = np.asarray(Image.open(io.BytesIO(get(made, f"api/seen/{sent}").content))).astype(int)
    made.stop()
    assert np.abs(again - seen).max() <= 1
