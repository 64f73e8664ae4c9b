"""The hub, asked over HTTP: what a model consists of, and the bytes of its files from any point on.

A client of our own, for `HF_HUB_OFFLINE=1` (set for every process of Q-RAG) closes the one that
huggingface_hub keeps for everybody; a download that a person asked for opens nothing else.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar
from urllib.parse import quote

from local_models.errors import ModelError, ModelRefused, ModelUnavailable, NotFound
from local_models.hub.cache_layout import Listing, RemoteFile, check_model_name, check_revision, is_digest
from local_models.hub.retries import Say
from local_models.interface.messages import _

TOO_MUCH_JSON = 32 * 2**20  # bytes of a listing
AGAIN = (408, 425, 429, 500, 502, 503, 504)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to bear a bad line. tries: in a row without a single new byte; the waits double from wait_s."""

    tries: int = 5
    wait_s: float = 1.0
    longest_wait_s: float = 60.0
    silence_s: float = 30.0


class Trouble(Exception):
    """The line or the server failed in a way that may pass. wait_s: what the server asked to wait."""

    def __init__(self, what: str, wait_s: float = 0.0) -> None:
        super().__init__(what)
        self.wait_s = wait_s


class Hub:
    """A hub at one address, the public one unless HF_ENDPOINT or `endpoint` says otherwise.

    token: sent to the hub alone, never to where it redirects; True takes the one that `hf auth login` saved.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        token: str | bool | None = None,
        patience: Patience | None = None,
        say: Say = lambda text: None,
    ) -> None:
        import httpx2
        from huggingface_hub import constants
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        from local_models import __version__

        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", self.endpoint):
            raise ModelError(_("{address} is no address of a hub").format(address=self.endpoint[:200]),
                             hint=_("it is written as https://huggingface.co"))  # fmt: skip
        self.patience = patience or Patience()
        self.say = say
        try:
            headers = build_hf_headers(token=token, library_name="qrag", library_version=__version__)
        except OSError as error:  # one was asked for, and there is none
            raise ModelError(_("no token is saved here"), hint="hf auth login") from error
        headers["accept-encoding"] = "identity"  # sizes and ranges are those of the file
        timeout = httpx2.Timeout(self.patience.silence_s, connect=10)
        self._client = httpx2.Client(headers=headers, timeout=timeout, follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def listing(self, model: str, revision: str = "main") -> Listing:
        """The files of a model at a branch, tag or commit, with sizes and checksums.

        Raises NotFound for an unknown model or revision, ModelUnavailable where the hub does not
        answer, ModelError where it does not let us in.
        """
        check_model_name(model)
        url = f"{self.endpoint}/api/models/{model}/revision/{quote(check_revision(revision), safe='')}"
        found = self._patiently(lambda: self._json(url, model))
        try:
            return Listing(model, _commit(found["sha"]), tuple(_files(found["siblings"])))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelRefused(_("{url} answers with something else than a model").format(url=url)) from error

    def fetch(self, listing: Listing, file: RemoteFile, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """The bytes of a file from `start` on, each with its place; picked up where the line broke.

        A server that cannot go on in the middle begins again at 0.
        """
        at, furthest, failures = start, start, 0
        while at < file.n_bytes:
            try:
                for place, block in self._blocks(listing, file, at):
                    at = place + len(block)
                    if at > furthest:  # what comes a second time is no progress
                        furthest, failures = at, 0
                    yield place, block
                if at < file.n_bytes:
                    raise Trouble(_("the line was cut"))
            except Trouble as trouble:
                failures += 1
                self._wait(failures, trouble)

    def _blocks(self, listing: Listing, file: RemoteFile, start: int) -> Iterator[tuple[int, bytes]]:
        import httpx2
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(listing.model, file.name, revision=listing.commit, endpoint=self.endpoint)
        headers = {"range": f"bytes={start}-"} if start else {}
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                self._check(response, listing.model)
                at = _place(response, start, file)
                for block in response.iter_raw():
                    if at + len(block) > file.n_bytes:
                        raise ModelRefused(_("{url} sends more than the hub announced").format(url=url))
                    yield at, block
                    at += len(block)
        except httpx2.RequestError as error:
            raise Trouble(_said(error)) from error

    def _json(self, url: str, model: str) -> Any:
        import httpx2

        try:
            with self._client.stream("GET", url, params={"blobs": "true"}) as response:
                self._check(response, model)
                content = bytearray()
                for block in response.iter_raw():
                    content += block
                    if len(content) > TOO_MUCH_JSON:
                        raise ModelRefused(_("{url} answers with too much").format(url=url))
                return _parsed(bytes(content), url)
        except httpx2.RequestError as error:
            raise Trouble(_said(error)) from error

    def _patiently(self, ask: Callable[[], Result]) -> Result:
        failures = 0
        while True:
            try:
                return ask()
            except Trouble as trouble:
                failures += 1
                self._wait(failures, trouble)

    def _wait(self, failures: int, trouble: Trouble) -> None:
        """Wait before the next try. Raises ModelUnavailable after the last."""
        if failures >= self.patience.tries:
            raise ModelUnavailable(
                _("{endpoint} does not answer: {error}").format(endpoint=self.endpoint, error=trouble),
                hint=_("run it again later: what has arrived is kept and is not fetched twice"),
            ) from trouble
        wait_s = self.patience.wait_s * 2 ** (failures - 1) * random.uniform(0.8, 1.2)
        wait_s = min(max(wait_s, trouble.wait_s), self.patience.longest_wait_s)
        self.say(_("{error}; try {n} of {tries}").format(error=trouble, n=failures + 1, tries=self.patience.tries))
        time.sleep(wait_s)

    def _check(self, response: Any, model: str) -> None:
        """Raise what an answer other than 200 or 206 means."""
        from huggingface_hub import errors
        from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

        if response.status_code in AGAIN:
            raise Trouble(_("status {status}").format(status=response.status_code), _retry_after(response))
        if response.status_code >= 400:
            response.read()
        try:
            hf_raise_for_status(response)
        except errors.GatedRepoError as error:
            raise ModelError(
                _("{model} is given only to those whom its owner lets in").format(model=model),
                hint=_("accept its terms at {endpoint}/{model}, then pass a token").format(
                    endpoint=self.endpoint, model=model
                ),
            ) from error
        except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError) as error:
            self._unknown(model, error)
        except errors.HfHubHTTPError as error:
            status = response.status_code
            raise ModelError(_("{model}: the hub answers {status}").format(model=model, status=status)) from error
        if response.status_code not in (200, 206):
            raise Trouble(_("status {status}").format(status=response.status_code))

    def _unknown(self, model: str, error: Exception) -> NoReturn:
        kind = type(error).__name__
        message = {
            "RevisionNotFoundError": _("{model} has no such branch, tag or commit"),
            "RepositoryNotFoundError": _("{endpoint} has no model {model}, or it is private"),
        }.get(kind, _("{model} has no such file any more"))
        hint = _("look at the spelling; a private one needs a token")
        raise NotFound(message.format(model=model, endpoint=self.endpoint), hint=hint) from error


def _files(siblings: list[dict[str, Any]]) -> Iterator[RemoteFile]:
    for each in siblings:
        lfs = each.get("lfs")
        digest = lfs["sha256"] if lfs else each["blobId"]
        n_bytes = lfs["size"] if lfs else each["size"]
        if not isinstance(each["rfilename"], str) or type(n_bytes) is not int or n_bytes < 0 or not is_digest(digest):
            raise ValueError(each)
        yield RemoteFile(each["rfilename"], n_bytes, digest)


def _commit(sha: Any) -> str:
    if not re.fullmatch("[0-9a-f]{40}", sha):
        raise ValueError(sha)
    return str(sha)


def _place(response: Any, start: int, file: RemoteFile) -> int:
    """Where in the file an answer begins."""
    if response.status_code != 206:
        return 0
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("content-range", ""))
    if not match or int(match[1]) != start or match[2] not in ("*", str(file.n_bytes)):
        raise Trouble(_("the server sends another part of the file"))
    return start


def _retry_after(response: Any) -> float:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _parsed(content: bytes, url: str) -> Any:
    import json

    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelRefused(_("{url} answers with something else than a model").format(url=url)) from error


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
