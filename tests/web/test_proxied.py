"""The page in a notebook's iframe behind a hub's proxy, in a real browser: each address and socket has the prefix."""

import asyncio
import socket
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from chromium import launched
from convscope.web.notebook import Explorer
from planted import plain_picture, planted_network

PREFIX = "/user/ada/"
NOT_PASSED_ON = {"connection", "content-encoding", "content-length", "transfer-encoding"}


def hub_of(page: Explorer) -> Starlette:
    """A hub: a notebook at /, and the page below its prefix, as jupyter-server-proxy does it."""
    origin, port = page.address.partition("/?")[0], page.address.rpartition(":")[2].partition("/")[0]
    below = f"{PREFIX}proxy/{port}"

    async def notebook(_: Request) -> Response:
        return HTMLResponse(f'<link rel="icon" href="data:,">{page._repr_html_()}')

    async def passed_on(request: Request) -> Response:
        headers = {**request.headers, "x-forwarded-prefix": below}
        address = f"{origin}/{request.path_params['path']}?{request.url.query}"
        answer = await asyncio.to_thread(
            requests.request, request.method, address, headers=headers, data=await request.body(), timeout=60
        )
        response = Response(answer.content, answer.status_code)
        for name, value in answer.raw.headers.items():  # two cookies are two headers
            if name.lower() not in NOT_PASSED_ON:
                response.headers.append(name, value)
        return response

    async def connected(browser: WebSocket) -> None:
        address = f"{origin.replace('http', 'ws', 1)}/{browser.path_params['path']}"
        headers = {"Cookie": browser.headers["cookie"], "X-Forwarded-Host": browser.headers["host"]}
        await browser.accept()
        sent: Any = browser.headers["origin"]
        async with connect(address, origin=sent, additional_headers=headers, max_size=None) as server:

            async def up() -> None:
                while (message := await browser.receive())["type"] == "websocket.receive":
                    await server.send(message.get("text") or message["bytes"])
                await server.close()

            going_up = asyncio.create_task(up())
            async for message in server:
                await browser.send_bytes(message)
            going_up.cancel()

    methods = ["GET", "POST"]
    routes = [
        Route("/", notebook),
        Route(f"{below}/{{path:path}}", passed_on, methods=methods),
        WebSocketRoute(f"{below}/{{path:path}}", connected),
    ]
    return Starlette(routes=routes)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", PREFIX)
    page = planted_network().explore(plain_picture((0.9, 0.1, 0.1)), plain_picture((0.1, 0.9, 0.1)))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(hub_of(page), log_level="error", lifespan="off", ws="websockets-sansio")
    )
    thread = Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = server.force_exit = True
    thread.join(10)
    page.stop()


@pytest.mark.browser
@pytest.mark.slow
def test_the_whole_page_works_behind_a_prefix(hub: str) -> None:
    asked, wrong = list[str](), list[str]()
    with launched() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda opened: asked.append(opened.url.replace("ws", "http", 1)))
        page.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 400 else None)
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.goto(hub)
        inside = page.wait_for_selector("iframe").content_frame()
        inside.wait_for_function("() => document.querySelector('.bar .label')?.innerText.trim() === 'red'")
        inside.locator("#unit-pane .big img").wait_for()  # by the socket of jobs
        inside.get_by_text("The score with it, less the score").first.wait_for(state="attached")
        inside.evaluate(
            "import('./static/store.js').then(({ set, state }) => (window.set = set, window.state = state))"
        )
        inside.evaluate("set({ groups: 4, backward: 'saliency', sort: 'strength' })")
        inside.wait_for_function("() => state.grouped && document.body.innerText.includes('saliency of')")
        inside.evaluate("set({ backward: 'off' })")
        inside.get_by_label("Brush: cover a part").select_option("gray")
        inside.wait_for_function("() => document.body.dataset.brush === 'ready'")
        inside.evaluate("window.before = state.grid")
        inside.locator("#picture-pane .stack").scroll_into_view_if_needed()
        box = inside.locator("#picture-pane .stack").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        inside.wait_for_function("() => state.grid !== window.before")  # by the socket of frames
        page.mouse.up()
        inside.wait_for_function("() => state.pictures.length === 3")  # sent, as a POST
        inside.evaluate("set({ view: 'beside' })")
        halves = "[...document.querySelectorAll('iframe')].map((one) => one.contentDocument?.querySelector('.bar'))"
        inside.wait_for_function(f"() => {halves}.filter(Boolean).length === 2")
    below = f"{hub}{PREFIX[1:]}proxy/"
    ours = [url for url in asked if url != hub and not url.startswith(("blob:", "data:"))]
    assert [url for url in ours if not url.startswith(below)] == wrong == []
    assert {"jobs", "live"} <= {url.rpartition("/")[2] for url in ours}
