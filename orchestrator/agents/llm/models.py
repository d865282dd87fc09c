"""Makes a client for each model name. Each event loop has its own set of clients."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from openai import AsyncOpenAI, OpenAIError
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, infer_model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers import infer_provider_class
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from orchestrator.errors import BadAgent

RETRIES_ALONE = 2
"""How often the client repeats a refused request; 0 with a fallback model, which can answer at once."""
NO_KEY = "none"  # the client requires a key, even for a server that requires none
# Tags that no model writes: pydantic-ai knows the closing tag of a thought only if it comes as a piece of its own, and
# would swallow the answer of a model whose pieces are cut otherwise. Thoughts are left out by our own filter.
NO_TAGS = ModelProfile(thinking_tags=("\0", "\0"))

_closers: dict[asyncio.AbstractEventLoop, list[AsyncGenerator[None]]] = {}
"""What closes the clients of each loop. An agent that is dropped while its loop runs must not take them with it: the
garbage collector would find their connections open, and only the loop can close those."""


class Models:
    """The models of `names`, best first.

    A connection belongs to one event loop, and the watchdog may replace the loop that agents run in. So each loop gets
    its own clients, which are closed as the loop ends. A name is `provider:model`, as pydantic-ai knows it, with the
    key in that provider's own variable. Any other name is a model at `base_url` (OpenAI's API without one), with
    `api_key`. Raise `BadAgent` if a name cannot work.
    """

    def __init__(self, names: Sequence[str], *, base_url: str | None, api_key: str | None) -> None:
        self._names = names
        self._base_url = base_url
        self._api_key = api_key
        self._open: dict[asyncio.AbstractEventLoop, list[Model]] = {}
        self._unused: list[Model] | None = self._make()  # made now, so that a bad name stops the process at start

    async def for_running_loop(self) -> list[Model]:
        """Return the models, for use in the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._open:
            self._open = {known: models for known, models in self._open.items() if not known.is_closed()}
            models, self._unused = self._unused or self._make(), None
            self._open[loop] = models
            await _close_with_loop(models)
        return self._open[loop]

    def _make(self) -> list[Model]:
        return [self._model(name) for name in self._names]

    def _model(self, name: str) -> Model:
        try:
            return infer_model(name) if _names_provider(name) else self._compatible(name)
        except OpenAIError:
            raise BadAgent(
                f"AGENT=llm asks OpenAI for {name}, and there is no key. Set LLM_API_KEY, or LLM_BASE_URL for "
                "another server."
            ) from None
        except (UserError, ImportError, ValueError) as error:
            raise BadAgent(f"AGENT=llm cannot use the model {name}: {error}") from None

    def _compatible(self, name: str) -> Model:
        client = AsyncOpenAI(
            base_url=self._base_url,
            api_key=self._api_key or (NO_KEY if self._base_url else None),
            max_retries=0 if len(self._names) > 1 else RETRIES_ALONE,
        )
        if self._base_url is None:
            return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=client), profile=NO_TAGS)
        provider = OpenAICompatibleProvider("llm", openai_client=client)
        return OpenAIChatModel(name, provider=provider, profile=NO_TAGS)


def _names_provider(name: str) -> bool:
    provider, colon, _ = name.partition(":")
    try:
        return bool(colon and infer_provider_class(provider))
    except ValueError:  # a colon of the model's own, as in llama3:8b
        return False


async def _close_with_loop(models: list[Model]) -> None:
    """Close the models' connections when the event loop ends: a loop closes the async generators that began in it."""
    for loop in [known for known in list(_closers) if known.is_closed()]:
        _closers.pop(loop, None)
    closer = _closer(models)
    _closers.setdefault(asyncio.get_running_loop(), []).append(closer)
    await anext(closer)


async def _closer(models: list[Model]) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        for model in models:
            async with model:  # leaving it closes what the provider opened by itself
                pass
            if isinstance(model, OpenAIChatModel):
                await model.client.close()
