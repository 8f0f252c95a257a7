"""LangChain's chains: a prompt, a model and a parser; two such chains side by side; one streamed.

``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` come from the environment.
"""

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_openai import ChatOpenAI

REVIEW = "The kettle is quick, but its handle gets hot."


def main() -> None:
    model = ChatOpenAI(model="gpt-4o-mini", stream_usage=True)

    def ask(question: str) -> object:
        return ChatPromptTemplate.from_template(question) | model | StrOutputParser()

    good_and_bad = RunnableParallel(
        good=ask("What is good in this review? {review}"),
        bad=ask("What is bad in this review? {review}"),
    )
    chain = good_and_bad | RunnableLambda(shorten) | ask("Answer it. {good} / {bad}")
    print("answer:", chain.invoke({"review": REVIEW}))

    print("poem:", end=" ")
    for piece in ask("A poem on {thing}, please.").stream({"thing": "kettles"}):
        print(piece, end="", flush=True)
    print()

    for said in ask("In one word: {review}").batch([{"review": REVIEW}, {"review": "Fine."}]):
        print("word:", said)


def shorten(found: dict[str, str]) -> dict[str, str]:
    return {name: text[:200] for name, text in found.items()}


if __name__ == "__main__":
    main()
