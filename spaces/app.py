"""The Space: the package's own demo, with the sentence transformer taken from the Hub."""

from setfit_quantum.demo import build_app, load_engine, serve

serve(build_app(load_engine()))
