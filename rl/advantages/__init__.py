"""How much better a step was than what it is compared with: one signature, `Rollouts` in, an array of (n, T) out.

The estimators differ in three answers: which rollouts are compared, whether their spread is divided by, and which steps
get the credit.
"""
