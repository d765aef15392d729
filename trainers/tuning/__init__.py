"""The search for hyper-parameters: `python -m trainers tune`.

`spaces` (what is searched), `stages` (in which order: the authors' recipe), `trial`
(what one training gave) and `halving` are pure and torch-free; `search` asks Optuna,
`training` trains a trial with the product's own trainer, `tuner` does all stages,
`asked` is what was wanted, `study` the folder; `charts`, `page` and `picture` show
what was tried.
"""
