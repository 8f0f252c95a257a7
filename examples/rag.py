"""Retrieval: texts embedded into a vector store, and a question that is answered by the nearest two.

The store is a list in memory, as LangChain's own needs numpy.

``OPENAI_BASE_URL`` and ``OPENAI_API_KEY`` come from the environment.
"""

from collections.abc import Iterable
from typing import Any

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_core.vectorstores import VectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

TEXTS = (
    "A kettle is descaled with vinegar.",
    "Teapots are rinsed with hot water only.",
    "The guarantee of a kettle lasts two years.",
    "Spoons may go into the dishwasher.",
)


class ListStore(VectorStore):
    def __init__(self, embedding: Embeddings) -> None:
        self.embedding = embedding
        self.rows: list[tuple[list[float], Document]] = []

    @classmethod
    def from_texts(
        cls, texts: list[str], embedding: Embeddings, metadatas: Any = None, **options: Any
    ) -> "ListStore":
        store = cls(embedding)
        store.add_texts(texts)
        return store

    def add_texts(self, texts: Iterable[str], metadatas: Any = None, **options: Any) -> list[str]:
        documents = [Document(page_content=text) for text in texts]
        vectors = self.embedding.embed_documents([found.page_content for found in documents])
        self.rows.extend(zip(vectors, documents, strict=True))
        return [str(n) for n in range(len(self.rows) - len(documents), len(self.rows))]

    def similarity_search(self, query: str, k: int = 4, **options: Any) -> list[Document]:
        wanted = self.embedding.embed_query(query)

        def near(row: tuple[list[float], Document]) -> float:
            return sum(a * b for a, b in zip(row[0], wanted, strict=True))

        return [document for _, document in sorted(self.rows, key=near, reverse=True)[:k]]


def joined(documents: list[Document]) -> str:
    return "\n".join(document.page_content for document in documents)


def main() -> None:
    # the words themselves, as not every server of the OpenAI API takes the numbers of tokens
    embeddings = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False)
    store = ListStore.from_texts(list(TEXTS), embeddings)
    retriever = store.as_retriever(search_kwargs={"k": 2})
    chain = (
        {"context": retriever | joined, "question": RunnablePassthrough()}
        | ChatPromptTemplate.from_template("By this:\n{context}\n\nanswer: {question}")
        | ChatOpenAI(model="gpt-4o-mini")
        | StrOutputParser()
    )
    print(chain.invoke("How do I clean my kettle?"))


if __name__ == "__main__":
    main()
