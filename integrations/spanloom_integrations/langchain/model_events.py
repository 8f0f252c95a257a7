"""Models: chat and completion, whole and streamed, one after the other and several at once."""

from typing import Any

from spanloom.sdk import Active, Run, current

from . import messages, models
from .errors import classify
from .graphs import Facts
from .recording import NOTHING, About, Metadata, Recording, name_of, told_by


class ModelEvents(Recording):
    """Each run of a model is a call."""

    def on_chat_model_start(
        self, serialized: Any, batch: list[list[Any]], run_id: Any, over_id: Any, about: About
    ) -> None:
        kept = [messages.keep(m) for m in batch[0]] if batch else []
        self._model(serialized, run_id, over_id, "chat", kept, None, about)

    def on_llm_start(
        self, serialized: Any, prompts: list[str], run_id: Any, over_id: Any, about: About
    ) -> None:
        prompt = prompts[0] if prompts else ""
        self._model(serialized, run_id, over_id, "text_completion", [], prompt, about)

    def _model(
        self,
        serialized: Any,
        run_id: Any,
        over_id: Any,
        operation: str,
        kept: list[messages.Kept],
        prompt: str | None,
        about: About,
    ) -> None:
        metadata: Metadata = about.get("metadata") or NOTHING
        params = about.get("invocation_params") or NOTHING
        model = models.model_of(metadata, params)
        over = self.runs.find(over_id)
        name = about.get("name") or name_of(serialized, "model")
        verb = operation if operation == "chat" else "text_completion"
        active = Active(f"{verb} {model}" if model else name, "llm")
        asked = models.Asked(
            run_id=run_id, operation=operation, metadata=metadata, params=dict(params),
            messages=kept, prompt=prompt,
        )  # fmt: skip
        active.extract, active.request, active.classify = models.extract, asked, classify
        active.weight += messages.weight(kept) + len(prompt or "")
        facts = Facts(name, metadata, over.facts if over is not None else None)
        facts.arguments = model
        active.ends_with_inner = True
        if over is not None:
            asked.fallback_from = self._fell_back(over)
            if attempt := told_by(about.get("tags"))[2]:
                self._tried_again(over, attempt)
            if over.facts.is_node and over.facts.created:  # by the middleware of an agent
                facts.again_as = model or name
                self._again(over, facts.again_as)
                if (tried := over.facts.failed) and facts.again_as not in tried:
                    asked.fallback_from = next(reversed(tried))
        batch = about.get("batch_size") or 1
        beside = self._beside(batch, over)
        run = self._start(run_id, over_id, active, facts, asked.unread.__len__, beside)
        if run is not None and batch > 1:
            together = beside.together if beside is not None else None
            active.together = together if together is not None else []
            active.together.append(active)

    def _beside(self, batch: int, over: Run | None) -> Active | None:
        """With several prompts at once all runs start before the first call is made."""
        if batch < 2:
            return None
        now = current()
        if now is None or now.together is None or len(now.together) >= batch:
            return None
        return now

    def _fell_back(self, over: Run) -> str | None:
        for depth, run in enumerate(over.upward()):
            if run.facts.name == "RunnableWithFallbacks":
                failed: str | None = run.facts.failed_model
                return failed
            if depth == 3:
                break
        return None

    def on_llm_new_token(self, *told: Any) -> None:
        """The token comes by position from the async manager, by name from the other."""
        *by_position, run_id, _over, about = told
        run = self.runs.find(run_id)
        if run is None or run.active is None:
            return
        token = by_position[0] if by_position else about.get("token")
        message = getattr(about.get("chunk"), "message", None)
        self._chunk(run.active, bool(token) or bool(getattr(message, "tool_call_chunks", None)))

    def on_stream_event(self, event: Any, run_id: Any, _over: Any, _about: About) -> None:
        run = self.runs.find(run_id)
        if run is not None and run.active is not None:
            kind = event.get("event") if isinstance(event, dict) else None
            self._chunk(run.active, kind == "content-block-delta")
            run.active.left_with_inner = True  # of this kind of stream no end is told then

    def _chunk(self, active: Active, content: bool) -> None:
        asked: models.Asked | None = active.request
        if asked is None:  # the call inside has ended it, and the worker has read it
            return
        if asked.marks is None:
            asked.marks = models.Marks()
            asked.unread.clear()  # from here on, what happens between the items is the consumer's
        if content:
            asked.marks.see()

    def on_llm_end(self, response: Any, run_id: Any, _over: Any, _about: About) -> None:
        run = self.runs.find(run_id)
        if run is None:
            return
        if run.active is not None:
            run.active.together = None
        self.runs.end(run_id, models.keep_generations(response))

    def on_llm_error(self, error: BaseException, run_id: Any, _over: Any, about: About) -> None:
        run = self.runs.find(run_id)
        if run is None or (active := run.active) is None:
            return
        active.together = None
        response, asked = about.get("response"), active.request  # None once the worker has read it
        if response is not None and asked is not None and asked.marks is not None:
            asked.partial = models.keep_generations(response)
            active.complete = False
        for depth, above in enumerate(run.upward()):
            if above.facts.name == "RunnableWithFallbacks":
                above.facts.failed_model = run.facts.arguments or run.facts.name
            if depth == 4:
                break
        self._fail(run, error)
