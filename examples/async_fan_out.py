"""asyncio: many calls of a LangChain model at once, by ``gather``, by tasks and by ``abatch``.

``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` come from the environment.
"""

import asyncio

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

CITIES = ("Oslo", "Łódź", "Kyōto", "Quito", "Accra")


async def main() -> None:
    model = ChatOpenAI(model="gpt-4o-mini", stream_usage=True)
    chain = ChatPromptTemplate.from_template("{question}: {city}") | model | StrOutputParser()

    def asked(question: str) -> list[dict[str, str]]:
        return [{"question": question, "city": city} for city in CITIES]

    async def streamed(what: dict[str, str]) -> str:
        return "".join([piece async for piece in chain.astream(what)])

    weather = await asyncio.gather(*(chain.ainvoke(what) for what in asked("The weather in")))
    async with asyncio.TaskGroup() as group:
        food = [group.create_task(streamed(what)) for what in asked("The food of")]
    people = await chain.abatch(asked("The people of"), {"max_concurrency": 2})
    for city, *said in zip(CITIES, weather, (task.result() for task in food), people, strict=True):
        print(f"{city}:", " | ".join(said))


if __name__ == "__main__":
    asyncio.run(main())
