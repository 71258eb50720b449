"""One file per question; RESULTS.md holds the answers and the commands behind them."""
