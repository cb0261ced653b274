"""Pictures: result objects in, `matplotlib.figure.Figure` out; nothing is computed and nothing saved here.

Which one do I use? `distributions` for stacked expectations with data and for shapes of features; `scores` for a
classifier's output; `roc` for curves and the AUC along a parameter; `significance` for best cuts; `limits` for limits.
All share `style`.
"""

__all__ = ["distributions", "limits", "roc", "scores", "significance", "style"]
