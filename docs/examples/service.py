"""A web service around a model: `pip install fastapi uvicorn python-multipart`, then `uvicorn service:app`.

curl -F recording=@clip.wav http://127.0.0.1:8000/emotion
"""

from typing import Annotated, Any

from fastapi import FastAPI, File, HTTPException

import fusionser

app = FastAPI(title="Emotion of a recording")
model = fusionser.load_model()
"""The included model; `fusionser.load_model("mine.fusionser")` for another one. It may be called from many threads."""


@app.post("/emotion")
def emotion(recording: Annotated[bytes, File()]) -> dict[str, Any]:
    """Return the emotion, its probability, and how unlike the training recordings the recording is."""
    answer = model.predict(recording, abstain=True, most_unlike=1.0).iloc[0]
    if answer["error"]:
        raise HTTPException(422, answer["error"])
    return {
        "emotion": answer["emotion"],
        "probability": float(answer["probability"]),
        "unlikeness": float(answer["unlikeness"]),
    }
