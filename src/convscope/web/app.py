"""The page's server: which address answers which question. `Session` says what, `Guard` to whom."""

from __future__ import annotations

import asyncio
import io
import json
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from convscope.errors import ConvscopeError
from convscope.pictures.photograph import SAMPLES
from convscope.web.arrivals import TooLarge
from convscope.web.session import Session
from convscope.web.sockets import VIEWER, in_words, jobs, live, viewer_of
from convscope.web.worker import TooBusy

SLOWEST_BODY = 60.0  # seconds for a picture to arrive


def make_app(session: Session) -> Starlette:
    """Return the application that serves a session, to be put behind a `Guard`."""
    other = [] if session.beside is None else [Mount("/other", routes=_routes(session.beside))]
    return Starlette(routes=[*_routes(session), *other])


def _routes(session: Session) -> list[BaseRoute]:
    static = str(files("convscope.web") / "static")
    return [
        Route("/", partial(_page, static)),
        Route("/api/network", _endpoint_of(session, _network)),
        Route("/api/pictures", _endpoint_of(session, _add_picture), methods=["POST"]),
        Route("/api/sample/{name}", _endpoint_of(session, _add_sample), methods=["POST"]),
        Route("/api/seen/{key}", _endpoint_of(session, _seen)),
        Route("/api/frame/{key}", _endpoint_of(session, _frame)),
        Route("/api/whole/{key}", _endpoint_of(session, _whole)),
        Route("/api/address", _endpoint_of(session, _address)),
        Route("/api/says", _endpoint_of(session, _says)),
        Route("/api/grid", _endpoint_of(session, _grid)),
        Route("/api/groups", _endpoint_of(session, _groups)),
        Route("/api/unit", _endpoint_of(session, _unit)),
        Route("/api/kept", _endpoint_of(session, _kept)),
        Route("/api/strongest", _endpoint_of(session, _strongest)),
        Route("/api/effects", _endpoint_of(session, _effects)),
        Route("/api/examples", _endpoint_of(session, _examples)),
        Route("/api/arithmetic", _endpoint_of(session, _arithmetic)),
        Route("/api/backward", _endpoint_of(session, _backward)),
        WebSocketRoute("/api/jobs", partial(jobs, session)),
        WebSocketRoute("/api/live", partial(live, session)),
        Mount("/static", StaticFiles(directory=static)),
    ]


Ask = Callable[[Callable[[], Any]], Any]


def _endpoint_of(session: Session, question: Callable[..., Any]) -> Callable[[Request], Any]:
    """Return an endpoint: a question put to the worker in its turn, and what goes wrong said in a line."""

    async def endpoint(request: Request) -> Response:
        viewer = viewer_of(request)

        async def ask(function: Callable[[], Any]) -> Any:
            answer = asyncio.wrap_future(session.worker.ask(viewer, function))
            gone = asyncio.ensure_future(_disconnected(request))
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if not answer.done():
                answer.cancel()  # nobody waits for it any more: the worker leaves it out
                raise ClientDisconnect
            return answer.result()

        try:
            response: Response = await question(session, request, ask)
            return response
        except ClientDisconnect:
            return Response(status_code=499)  # as nginx has it; it is not read
        except TooBusy as error:
            return JSONResponse({"error": str(error)}, 429)
        except ConvscopeError as error:
            return JSONResponse({"error": str(error)}, 400)
        except (KeyError, ValueError, OverflowError, RecursionError) as error:
            return JSONResponse({"error": f"a question that makes no sense: {error}"}, 400)
        except Exception as error:
            return JSONResponse({"error": in_words(error)}, 500)

    return endpoint


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _page(static: str, request: Request) -> Response:
    response = Response((Path(static) / "index.html").read_bytes(), media_type="text/html")
    if VIEWER not in request.cookies:
        response.set_cookie(VIEWER, secrets.token_hex(8), httponly=True, samesite="strict")
    return response


async def _network(session: Session, request: Request, ask: Ask) -> Response:
    return _json(await ask(session.facts))


async def _add_picture(session: Session, request: Request, ask: Ask) -> Response:
    try:
        return await asyncio.wait_for(_arrived(session, request), SLOWEST_BODY)
    except asyncio.TimeoutError:  # a client that drips would hold its connection for ever
        return JSONResponse({"error": f"the picture did not arrive within {SLOWEST_BODY:g} seconds"}, 408)
    except TooLarge as error:
        return JSONResponse({"error": str(error)}, 413)


async def _arrived(session: Session, request: Request) -> Response:
    async with session.arrivals.body(request) as parts:
        return await _added(session, lambda: b"".join(parts))


async def _add_sample(session: Session, request: Request, ask: Ask) -> Response:
    name = request.path_params["name"]
    if name not in SAMPLES:
        return JSONResponse({"error": f"samples are {', '.join(SAMPLES)}"}, 404)
    return await _added(session, lambda: name)


async def _added(session: Session, source: Callable[[], bytes | str]) -> Response:
    key = await session.arrivals.read(lambda: session.pictures.add(source()))
    photograph = session.pictures[key]
    height, width = photograph.pixels.shape[:2]
    facts = {
        "key": key,
        "name": photograph.name,
        "width": width,
        "height": height,
        "notes": list(photograph.notes),
    }
    return JSONResponse(facts)


async def _seen(session: Session, request: Request, ask: Ask) -> Response:
    return await _pixels(session, request, ask, session.seen)


async def _frame(session: Session, request: Request, ask: Ask) -> Response:
    return await _pixels(session, request, ask, session.frame_of)


async def _whole(session: Session, request: Request, ask: Ask) -> Response:
    return await _pixels(session, request, ask, session.whole)


async def _address(session: Session, request: Request, ask: Ask) -> Response:
    return _json(await ask(partial(session.address, request.query_params["name"])))


async def _pixels(
    session: Session, request: Request, ask: Ask, pixels: Callable[[str], NDArray[np.uint8]]
) -> Response:
    async def encoded() -> bytes:
        array = await ask(partial(pixels, request.path_params["key"]))
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    return await _unless_known(session, request, ask, encoded)


async def _unless_known(
    session: Session, request: Request, ask: Ask, make: Callable[[], Awaitable[bytes]]
) -> Response:
    """Return a PNG; nothing where the browser has this address's from a server that shows the same."""
    headers = {"ETag": f'"{await ask(lambda: session.identity)}"'}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(await make(), media_type="image/png", headers=headers)


async def _says(session: Session, request: Request, ask: Ask) -> Response:
    return JSONResponse(
        await ask(partial(session.says, request.query_params["picture"], _units(request.query_params)))
    )


async def _grid(session: Session, request: Request, ask: Ask) -> Response:
    query = request.query_params
    asked = query["picture"], query["layer"], _units(query)
    known = await asyncio.to_thread(session.known_grid, *asked)
    message = known or await ask(partial(session.grid, *asked))
    session.worker.later(partial(session.look_ahead, *asked))
    return _bytes(message)


async def _groups(session: Session, request: Request, ask: Ask) -> Response:
    query = request.query_params
    grouped = partial(session.groups, query["picture"], query["layer"], int(query["count"]), _units(query))
    return _bytes(await ask(grouped))


async def _unit(session: Session, request: Request, ask: Ask) -> Response:
    query = request.query_params
    return _json(await ask(partial(session.unit, query["unit"], query.get("picture"))))


async def _kept(session: Session, request: Request, ask: Ask) -> Response:
    return _bytes(await asyncio.to_thread(session.kept, request.query_params.getlist("unit")))


async def _strongest(session: Session, request: Request, ask: Ask) -> Response:
    layer = request.query_params["layer"]
    return _json({"highest": await ask(partial(session.highest, layer))})


async def _effects(session: Session, request: Request, ask: Ask) -> Response:
    query = request.query_params
    return _json(await ask(partial(session.effects, query["unit"], query["picture"])))


async def _examples(session: Session, request: Request, ask: Ask) -> Response:
    query = request.query_params
    sheet = partial(session.examples, query["unit"], query.get("theme", "light"))
    return await _unless_known(session, request, ask, lambda: ask(sheet))


async def _arithmetic(session: Session, request: Request, ask: Ask) -> Response:
    query = request.query_params
    return _json(await ask(partial(session.arithmetic, query["unit"], query["picture"])))


async def _backward(session: Session, request: Request, ask: Ask) -> Response:
    query = request.query_params
    return _bytes(await ask(partial(session.backward, query["picture"], query["unit"], query["view"])))


def _json(facts: Any) -> Response:
    """Return facts as JSON, which has no word for NaN and infinity: null, and the page shows a dash."""
    return JSONResponse(_finite(facts))


def _finite(facts: Any) -> Any:
    if isinstance(facts, float):
        return facts if math.isfinite(facts) else None
    if isinstance(facts, Mapping):
        return {name: _finite(one) for name, one in facts.items()}
    return [_finite(one) for one in facts] if isinstance(facts, (list, tuple)) else facts


def _bytes(message: bytes) -> Response:
    return Response(message, media_type="application/octet-stream")


def _units(query: Mapping[str, str]) -> dict[str, Any]:
    units = json.loads(query.get("units") or "{}")
    if not isinstance(units, dict) or len(units) > 64:
        raise ValueError("units are an object of at most 64 settings")
    return units
