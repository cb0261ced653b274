from hypotheta.report import surviving_text


def test_a_row_a_sample_with_errors_of_the_simulation():
    row = {"sample": "xtt_m1000", "raw_after": 56, "effective_after": 55.93, "efficiency": 0.18789}
    row |= {"yield_before": 14.291, "mc_error_before": 0.832, "yield_after": 2.6843, "mc_error_after": 0.3587}
    title, *lines = surviving_text([row], "network: score ≥ 2.5").split("\n")
    assert title == "network: score ≥ 2.5"
    (line,) = [line for line in lines if "xtt_m1000" in line]
    assert line.split() == ["xtt_m1000", "56", "55.9", "14.29", "±", "0.83", "2.684", "±", "0.36", "0.188"]
