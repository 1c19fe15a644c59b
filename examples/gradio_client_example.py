"""Ask a running demo from a program: classify, train, and ask the model just trained.

Start the demo first (`setfit-quantum demo --no-browser`), then: python examples/gradio_client_example.py [URL]
A Space takes its name instead of the address: Client("you/your-space").
"""

import sys

from gradio_client import Client

client = Client(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860", verbose=False)

confidences, details = client.predict(
    text="Not bad at all, I would come again.",
    shots=200,
    noise_level=1.0,  # times the error rates of the device
    device="ionq-forte-enterprise",
    api_name="/classify",
)
sentence = details["sentences"][0]
print("one noisy measurement:", {label: round(value, 2) for label, value in confidences.items()})
print("without noise:        ", {label: round(value, 2) for label, value in sentence["without_noise"].items()})
print("won of 200 repetitions:", sentence["share_of_repetitions_won"])

examples = [
    ["Where is my parcel?", "delivery"],
    ["The courier did not ring.", "delivery"],
    ["When will it arrive?", "delivery"],
    ["It was sent to the wrong street.", "delivery"],
    ["I was charged twice.", "billing"],
    ["The invoice is wrong.", "billing"],
    ["Please refund the fee.", "billing"],
    ["Why did the price change?", "billing"],
]
summary = client.predict(examples=examples, n_qubits=4, n_encoders=1, epochs=60, api_name="/train")
print(f"trained {summary['parameters']} parameters in {summary['seconds']:.1f} s")

confidences, _ = client.predict(text="My card was billed again.", shots=1000, model="own", api_name="/classify")
print("the model just trained:", {label: round(value, 2) for label, value in confidences.items()})
print("its files:", client.predict(kind="head", api_name="/download"))
