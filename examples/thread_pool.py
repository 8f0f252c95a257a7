"""Threads: LangChain chains in a ``ThreadPoolExecutor``, and one in a plain thread.

``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` come from the environment.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

WORDS = ("kettle", "teapot", "cup", "saucer", "spoon", "tray")


def main() -> None:
    model = ChatOpenAI(model="gpt-4o-mini")
    chain = ChatPromptTemplate.from_template("Translate {word}.") | model | StrOutputParser()

    def translate(word: str) -> str:
        return chain.invoke({"word": word})

    with ThreadPoolExecutor(max_workers=3) as pool:
        for word, said in zip(WORDS, pool.map(translate, WORDS), strict=True):
            print(f"{word}:", said)

    thread = threading.Thread(target=lambda: print("sugar:", translate("sugar")))
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
