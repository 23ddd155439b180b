"""Faults of one line, by the promise that each breaks, and the small tests that should notice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A fault: in `file`, `old` (which stands there exactly once) becomes `new`; one of `tests` turns red."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def fault(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, tests)


# fmt: off
BOUNDS = (  # log w is sampled; every density is complete; sums, never means; the weights that are held
    fault(
        "analytic-kl-in-iwae", "terms.py",
        "return self.log_px_z + (self.log_pz - self._sampled_q()).sum(-1)", "return self.log_px_z - self.rate.sum(-1)",
        "tests/exact/test_bounds.py",
    ),
    fault(
        "a-hidden-label-drawn-as-the-first", "estimators/annealing.py",
        "prior_draws(self.model, self.batch, num_chains)",
        "prior_draws(self.model, replace(self.batch, y=self.batch.y.clamp(min=0)), num_chains)",
        "tests/estimators/test_hidden_labels.py",
    ),
    fault(
        "one-row-chooses-the-path-of-all", "distributions/binary.py",
        "return judged if bool(told.all()) else torch.where(told, judged, self._density(x, observed))",
        "return judged if bool(told.all()) else self._density(x, observed)",
        "tests/estimators/test_rows_alone.py::test_a_row_that_float32_cannot_multiply_changes_no_other",
    ),
    fault(
        "noise-group-by-group", "models/vdm/steps.py",
        "fresh = list(torch.randn(shape, device=self.x.device, dtype=self.x.dtype).unbind(1))",
        "fresh = [torch.randn(num_samples, *self.x.shape) for _ in self.gamma]",
        "tests/estimators/test_rows_alone.py",
    ),
    fault(
        "scores-by-their-place", "use/reference.py",
        "common=True", "common=False",
        "tests/estimators/test_rows_alone.py::test_score_is_a_function_of_the_row",
    ),
    fault(
        "a-probability-of-nothing-below-one", "estimators/base.py",
        "parts.append(_of_nothing(estimator(model, batch), batch, model))", "parts.append(estimator(model, batch))",
        "tests/estimators/test_rows_alone.py::test_log_p_of_nothing_is_0",
    ),
    fault(
        "an-audit-that-cannot-fail", "diagnostics/audit.py",
        "4 * residual.stderr + float(slack.mean()) + TOLERANCE", "4 * residual.stderr + float(slack.mean()) + 1.0",
        "tests/diagnostics/test_audit.py::test_an_elbo_that_is_too_high_does_not_close_on_a_grid_of_three_latents",
    ),
    fault(
        "channels-drawn-blindly", "distributions/mixtures.py",
        "m, found = _drawn(self._log_owner(values, seen), torch.Size()), list[Tensor]()",
        "m, found = _drawn(self.log_pi, torch.Size()), list[Tensor]()",
        "tests/use/test_impute_truth.py::test_channels_are_drawn_given_those_observed_as_bayes_rule_says",
    ),
    fault(
        "samples-beyond-the-ends-of-a-column", "data/columnforms.py",
        "return np.clip(np.rint(values), *ends)", "return np.rint(values)",
        "tests/use/test_written.py::test_few_values_are_told_by_those_of_training",
    ),
    fault(
        "zeros-that-a-column-keeps-cut-off", "data/cells.py",
        'kept = digits.rstrip("0").ljust(least, "0")', 'kept = digits.rstrip("0")',
        "tests/use/test_written.py::test_numbers_are_written_as_those_of_their_column",
    ),
    fault(
        "lines-counted-below-those-above", "data/textfiles.py",
        "yield reader.line_num + len(self.above), cells", "yield reader.line_num, cells",
        "tests/data/test_textfiles.py::test_a_line_that_is_not_there_and_none",
    ),
    fault(
        "a-row-taken-for-a-remark", "data/tablelines.py",
        "if self._remarks and self._marked:", "if False:",
        "tests/data/test_tablelines.py::test_a_line_that_may_be_a_row_is_not_left_out",
    ),
    fault(
        "lines-in-the-table-taken-for-words-below", "data/tablelines.py",
        "if cells and len(cells) != len(self.names):", "if False:",
        "tests/data/test_tablelines.py::test_a_line_that_may_be_a_row_is_not_left_out",
    ),
    fault(
        "a-column-without-a-name-lost", "data/frames.py",
        "*([label] if label and label in names else [])", "*([label] if label in names else [])",
        "tests/data/test_tablelines.py::test_columns_without_a_name_are_kept",
    ),
    fault(
        "a-total-among-the-rows", "data/texttables.py",
        "if rows > 2 and is_total(last[1])", "if rows > 99 and is_total(last[1])",
        "tests/data/test_textfiles.py::test_lines_that_are_no_rows_are_left_out_and_said",
    ),
    fault(
        "imputations-of-one-set", "use/impute.py",
        "sets = 1 if known else", "sets = 1 if True else",
        "tests/use/test_impute_truth.py::test_imputations_do_not_share_their_z",
    ),
    fault(
        "log-k-forgotten", "ops.py",
        "return torch.logsumexp(log_w, dim) - math.log(log_w.shape[dim])", "return torch.logsumexp(log_w, dim)",
        "tests/estimators/test_estimators.py::test_log_mean_exp_counts_the_weights_it_holds",
    ),
    fault(
        "mean-for-sum", "ops.py",
        "return x.sum(dim=tuple(range(-event_ndim, 0))) if event_ndim else x",
        "return x.mean(dim=tuple(range(-event_ndim, 0))) if event_ndim else x",
        "tests/likelihoods/test_likelihoods.py::test_an_event_sum_sums_and_never_averages",
    ),
    fault(
        "gaussian-constant-dropped", "models/linear_gaussian/linear_gaussian.py",
        "seen.sum(-1) * math.log(2 * math.pi) + log_det", "seen.sum(-1) * 0.0 + log_det",
        "tests/exact/test_linear_gaussian.py::test_log_p_of_the_observed_part_is_the_marginal_of_the_joint_gaussian",
    ),
    fault(
        "unequal-weights-taken-as-equal", "terms.py",
        "if self.log_m is None:", "if True:",
        "tests/exact/test_mixture.py::test_enumerated_under_any_q_the_bound_is_log_p",
    ),
    fault(
        "summed-before-it-is-masked", "distributions/event.py",
        "return torch.where(self.observed, log_p, missing)", "return log_p",
        "tests/likelihoods/test_likelihoods.py::test_what_is_not_observed_leaves_the_sum_before_it_is_taken",
    ),
    fault(
        "seen-whatever-is-missing", "distributions/columns.py",
        "_times(self.log_p_levels, s.levels, -1)", "self.log_p_levels",
        "tests/likelihoods/test_selfmasking.py::test_all_rows_of_a_tiny_table_with_gaps_add_up_to_one",
    ),
    fault(
        "filled-as-if-it-were-seen", "distributions/given.py",
        "return base.when_missing() if isinstance(base, Selecting) else base", "return base",
        "tests/use/test_gaps.py::test_imputation_knows_that_large_values_are_missing",
    ),
    fault(
        "beta-ignored", "objectives/elbo.py",
        "Loss.of(terms, distortion + beta * rate,", "Loss.of(terms, distortion + rate,",
        "tests/objectives/test_objectives.py::test_warm_up_and_beta_weigh_the_rate_in_the_loss_alone",
    ),
    fault(
        "penalty-in-the-bound", "objectives/base.py",
        "Loss(surrogate + penalty(terms), bound, ", "Loss(surrogate + penalty(terms), bound - penalty(terms), ",
        "tests/objectives/test_objectives.py::test_penalties_are_added_to_the_loss_and_never_to_the_bound",
    ),
    fault(
        "dreg-weight-not-squared", "objectives/pathwise.py",
        "share**2 * log_w", "share * log_w",
        "tests/objectives/test_objectives_gradients.py::test_dreg_has_iwaes_gradient_in_the_mean",
    ),
    fault(
        "rloo-keeps-its-own-draw", "objectives/score.py",
        "(log_w.sum(0) - log_w) / (K - 1)", "log_w.sum(0) / K",
        "tests/objectives/test_objectives_gradients.py::test_the_baseline_takes_noise_away_and_leaves_no_bias",
    ),
    fault(
        "floor-for-all-groups-together", "objectives/floors.py",
        "kl.mean(0).clamp(min=floor).sum()", "kl.mean(0).sum().clamp(min=floor)",
        "tests/models/test_hvae.py::test_free_bits_per_group_follow_their_schedule",
        "tests/objectives/test_objectives_bounds.py::test_free_bits_cost_at_least_the_floor_in_each_group",
    ),
    fault(
        "floor-in-the-bound", "objectives/floors.py",
        "Loss.of(terms, distortion, -(distortion + kl.sum(-1)))",
        "Loss.of(terms, distortion, -(distortion + kl.clamp(min=floor).sum(-1)))",
        "tests/objectives/test_objectives_bounds.py::test_free_bits_cost_at_least_the_floor_in_each_group",
    ),
    fault(
        "weights-of-p-not-held", "model/modes.py",
        "p.requires_grad_(False)", "pass",
        "tests/exact/test_linear_gaussian.py::test_the_held_parts_get_no_gradient",
    ),
)

DATA = (  # the binarization, the splits and their own seed; what is a likelihood of what
    fault(
        "thousands-read-as-fractions", "data/tablefiles.py",
        'if found.decimal != ".":', "if False:",
        "tests/data/test_decimalmarks.py::test_a_decimal_comma_beside_them_makes_thousands_of_points",
    ),
    fault(
        "labels-read-as-numbers", "data/tablecolumns.py",
        'INTEGER = re.compile(r"0|-?[1-9]\\d*"', 'INTEGER = re.compile(r"-?\\d+"',
        "tests/data/test_labels.py::test_labels_of_a_file_are_the_text_that_stands_there",
    ),
    fault(
        "spaces-around-names-lost-in-a-remedy", "data/tablecolumns.py",
        "needed = [not name or name != name.strip() or any(", "needed = [any(",
        "tests/data/test_remedies.py::test_columns_that_differ_by_spaces_are_told_apart",
    ),
    fault(
        "rare-values-left-out-of-the-start", "train/starting.py",
        "return torch.cat([rows, *found]).unique() if found else rows", "return rows",
        "tests/train/test_starting.py::test_a_column_with_a_few_other_values_is_not_called_constant",
    ),
    fault(
        "ambiguous-commas-guessed", "data/writtennumbers.py",
        "and not (guesses and found[0] == PLAIN)", "and False",
        "tests/data/test_writtennumbers.py::test_nothing_is_guessed",
    ),
    fault(
        "first-row-taken-for-names", "data/headers.py",
        "return unsorted or fractions or any(_stands_in(name, column) for", "return False and any(name for",
        "tests/data/test_headers.py::test_a_first_line_that_is_a_row_is_taken_as_one_and_said",
    ),
    fault(
        "years-taken-for-a-row", "data/headers.py",
        "or not _are_steps([value for value, _ in numbers])", "or True",
        "tests/data/test_headers.py::test_a_first_line_that_may_be_either_is_refused",
    ),
    fault(
        "numbers-far-off-taken-for-a-row", "data/headers.py",
        "if not numbers or sum(near) < NEAR * len(near):", "if not numbers:",
        "tests/data/test_headers.py::test_a_first_line_that_may_be_either_is_refused",
    ),
    fault(
        "names-of-a-new-file-taken-for-a-row", "data/firstlines.py",
        "return holds_values(names, held)", "return True",
        "tests/data/test_headers.py::test_a_run_without_names_takes_a_first_line_of_cells_as_a_row",
    ),
    fault(
        "columns-of-bytes-as-text", "data/unfit.py",
        "if series.dtype == nw.Binary", "if False",
        "tests/data/test_unfit.py::test_a_column_of_no_values_is_named_with_what_leaves_it_out",
    ),
    fault(
        "formulas-as-they-are", "output/formulas.py",
        """return f"'{text}" if self.quotes else text""", "return text",
        "tests/output/test_formulas.py::test_texts_that_begin_like_formulas_are_quoted_on_request",
    ),
    fault(
        "numbers-taken-for-formulas", "output/formulas.py",
        "in MISSING or _is_number(text):", "in MISSING:",
        "tests/output/test_formulas.py::test_numbers_and_marks_are_left",
    ),
    fault(
        "cells-far-apart", "data/sheets.py",
        "if count > FREE + declared:", "if False:",
        "tests/data/test_sheets.py::test_a_workbook_that_costs_more_than_it_holds_is_refused",
    ),
    fault(
        "workbook-of-any-size", "data/sheets.py",
        "    require_expansion(declared,", "    str((declared,)) or require_expansion(declared,",
        "tests/data/test_sheets.py::test_a_workbook_that_costs_more_than_it_holds_is_refused",
    ),
    fault(
        "entities-expanded", "data/sheets.py",
        "if not _is_of_entities(error):", "if True:",
        "tests/data/test_sheets.py::test_entities_are_refused",
    ),
    fault(
        "a-way-out-of-an-archive", "data/compressed.py",
        'return Path(f"{path}/{name}"),', "return Path(path, '/' * name.startswith('..') + name),",
        "tests/data/test_zips.py::test_a_name_that_leads_out_of_an_archive_reads_what_is_in_it",
    ),
    fault(
        "sparse-of-any-size", "data/inmemory.py",
        "    require_memory(math.prod(found.shape)", "    print(math.prod(found.shape)",
        "tests/data/test_inmemory.py::test_a_sparse_matrix_that_no_memory_holds_is_refused_before_it_is_made_dense",
    ),
    fault(
        "digits-of-sparse-values-lost", "data/inmemory.py",
        "if narrow.dtype != found.dtype and np.array_equal(narrow, found.data, equal_nan=True):",
        "if narrow.dtype != found.dtype:",
        "tests/data/test_inmemory.py::test_float32_is_taken_only_where_it_holds_every_number",
    ),
    fault(
        "damaged-sparse-read", "data/inmemory.py",
        "            found.check_format(full_check=True)", "            pass",
        "tests/data/test_inmemory.py::test_a_damaged_sparse_matrix_is_a_sentence",
    ),
    fault(
        "genes-by-place", "data/h5ad.py",
        "x, names, ignored = x[:, places],", "x, names, ignored = x[:, : len(places)],",
        "tests/data/test_frames.py::test_variables_of_anndata_go_by_their_names",
    ),
    fault(
        "twelve-bits-on-the-scale-of-sixteen", "data/depths.py",
        "white = max(255, (1 << top.bit_length()) - 1)", "white = OWN",
        "tests/data/test_folders.py::test_16_bits_are_read_on_the_scale_that_they_use_and_it_is_said",
    ),
    fault(
        "binarization-left-out-of-the-result", "evaluation/result.py",
        '"binarization": info["binarization"],', '"binarization": None,',
        "tests/runs/test_laws.py::test_a_result_says_what_it_is_of",
    ),
    fault(
        "test-examples-drawn-afresh", "data/loading.py",
        "_split(fixed(values, n, seed, r), raw, binary, r, levels=n, grey=values[r])",
        '_split(values[r], raw, binary, r, "draw", levels=n)',
        "tests/data/test_data_splits.py::test_dynamic_draws_training_afresh_and_the_rest_once",
    ),
    fault(
        "split-by-the-training-seed", "fitting/prepare.py",
        "load(source, y=y, **choices.data.beside(z=z, text=text))",
        "load(source, y=y, **choices.data.beside(z=z, text=text, seed=seed))",
        "tests/runs/test_laws.py::test_the_training_seed_moves_neither_the_split_nor_a_fixed_draw",
    ),
    fault(
        "test-row-in-training", "data/splitrows.py",
        "return (np.sort(order[both:]),", "return (np.sort(order[both - 1 :]),",
        "tests/data/test_data_splits.py::test_splits_are_disjoint_and_cover_everything",
    ),
    fault(
        "bernoulli-of-grey-values", "likelihoods/bernoulli.py",
        'domains = ("binary",)', 'domains = ("binary", "levels", "unit")',
        "tests/likelihoods/test_likelihood_parts.py::test_the_wrong_formula_for_grey_values_is_refused_with_the_right_one",
    ),
    fault(
        "density-on-integers", "likelihoods/real.py",
        'domains = ("real",)', 'domains = ("real", "levels", "count")',
        "tests/likelihoods/test_likelihood_parts.py::test_the_wrong_formula_for_grey_values_is_refused_with_the_right_one",
    ),
    fault(
        "jacobian-dropped", "likelihoods/real.py",
        "return (self.scale * ((self.pace * self.log_sigma)", "return (1.0 * ((self.pace * self.log_sigma)",
        "tests/likelihoods/test_likelihoods.py::test_ten_times_x_costs_d_log_10",
    ),
    fault(
        "sigma-without-a-floor", "likelihoods/real.py",
        "(self.pace * self.log_sigma).exp() + self.floor)", "(self.pace * self.log_sigma).exp())",
        "tests/likelihoods/test_likelihoods.py::test_a_learned_sigma_is_learned_and_has_its_floor",
    ),
    fault(
        "sigma-solved-as-a-variance", "likelihoods/real.py",
        "sigma = (variance.sqrt() - self.floor)", "sigma = (variance - self.floor)",
        "tests/likelihoods/test_likelihoods.py::test_a_solved_sigma_is_the_root_mean_squared_error",
    ),
    fault(
        "constant-columns-let-through", "likelihoods/base.py",
        "((found.std == 0),", "((found.std < 0),",
        "tests/likelihoods/test_likelihoods.py::test_constant_columns_are_named",
    ),
    fault(
        "tails-outside-of-the-end-bins", "distributions/levels.py",
        "return torch.where(final, above, torch.where(first, below, inside))", "return inside",
        "tests/likelihoods/test_likelihoods.py::test_the_discretised_logistic_sums_to_one",
    ),
    fault(
        "changed-data-taken-for-the-same", "runs/store.py",
        'if data.sha256 != self.data_info["sha256"]:', "if False:",
        "tests/runs/test_laws.py::test_data_that_has_changed_is_refused",
    ),
    fault(
        "a-link-in-hdf5-followed", "data/hdf5.py",
        "if not isinstance(link, h5py.HardLink):", "if False:",
        "tests/hostile/test_h5ad.py",
    ),
    fault(
        "whatever-a-file-declares", "data/limits.py",
        "if declared > FREE + times * stored:", "if False:",
        "tests/hostile/test_pictures.py::test_an_idx_file_that_lies_is_refused",
    ),
    fault(
        "an-array-held-twice-over", "data/loading.py",
        "_split(_stored(raw.x, found, r), raw, found, r)", "_split(found.of_kind.store(raw.x)[r], raw, found, r)",
        "tests/hostile/test_memory.py",
    ),
    fault(
        "names-of-all-columns-for-each", "data/frames.py",
        "    @cached_property", "    @property",
        "tests/hostile/test_tables.py::test_each_column_is_looked_up_once",
    ),
    fault(
        "pictures-of-any-size", "data/images.py",
        "if width * height > most:", "if False:",
        "tests/hostile/test_pictures.py::test_a_picture_that_costs_too_much_is_refused_from_its_header",
    ),
    fault(
        "text-spread-out-uncounted", "data/parquet.py",
        "if size > table.nbytes:", "if False:",
        "tests/hostile/test_tables.py::test_one_text_that_is_repeated_is_counted_before_it_is_spread_out",
    ),
)
JUDGING = (  # every example once, one x for all draws, K and side stated, annealing that never saw its z
    fault(
        "examples-that-share-no-aggregate", "diagnostics/aggregate.py",
        " - (beside[0].taken + beside[1].taken)", "",
        "tests/diagnostics/test_aggregate.py::test_the_error_is_the_jackknifes",
    ),
    fault(
        "a-cube-that-is-a-point", "evaluation/baselines/mixtures.py",
        "a, b = (v - loc) / scale, (v + 1 - loc) / scale", "a, b = (v - loc) / scale, (v + 0.9 - loc) / scale",
        "tests/evaluation/test_count_mixtures.py::test_the_integral_over_a_cube_is_that_of_the_normal_distribution_function",
    ),
    fault(
        "last-block-dropped", "data/rowblocks.py",
        "for first in range(0, count, size):", "for first in range(0, max(size, count - size + 1), size):",
        "tests/data/test_rowblocks.py",
    ),
    fault(
        "last-block-not-filled-up", "data/rowblocks.py",
        "torch.arange(first, first + size).clamp(max=count - 1)", "torch.arange(first, min(first + size, count))",
        "tests/data/test_rowblocks.py",
    ),
    fault(
        "noise-keyed-by-how-many-come", "estimators/base.py",
        '0 if alone else block.first)', '0 if alone else block.done)',
        "tests/estimators/test_estimators.py::test_the_numbers_of_a_row_do_not_hang_on_how_many_come_after_it",
    ),
    fault(
        "one-noise-for-all-blocks", "estimators/base.py",
        '("evaluate", seed, 0 if alone else block.first)', '("evaluate", seed, 0)',
        "tests/runs/test_laws.py::test_equal_x_far_apart_in_a_set_meet_noise_of_their_own",
    ),
    fault(
        "judged-in-training-mode", "estimators/base.py",
        "with evaluating(model), decoding_in(model, precision):", "with decoding_in(model, precision):",
        "tests/estimators/test_estimators.py::test_all_draws_are_judged_in_evaluation_mode",
    ),
    fault(
        "infinite-value-passed-over", "estimators/base.py",
        "    if wrong.any():", "    if False:",
        "tests/estimators/test_estimators.py::test_a_value_that_is_not_finite_is_an_error_with_its_row",
    ),
    fault(
        "k-left-out-of-the-result", "evaluation/result.py",
        '"num_samples": judge.num_samples,', '"num_samples": None,',
        "tests/runs/test_laws.py::test_a_result_says_what_it_is_of",
    ),
    fault(
        "bits-that-are-nats", "evaluation/result.py",
        "observed * math.log(2))", "observed)",
        "tests/runs/test_laws.py::test_a_result_says_what_it_is_of",
    ),
    fault(
        "error-of-one-for-that-of-the-mean", "ops.py",
        "return value.std(0) / math.sqrt(len(value))", "return value.std(0)",
        "tests/runs/test_laws.py::test_a_result_says_what_it_is_of",
    ),
    fault(
        "renyi-without-a-side", "estimators/renyi.py",
        "if not 0 <= alpha <= 1:", "if not -9 <= alpha <= 1:",
        "tests/estimators/test_local.py::test_an_alpha_without_a_side_is_refused",
    ),
    fault(
        "reverse-ais-with-forward-weights", "estimators/ais.py",
        "upper = -log_mean_exp(-log_w_back)", "upper = log_mean_exp(log_w_back)",
        "tests/estimators/test_ais.py::test_with_few_temperatures_each_side_is_on_its_own_side_and_its_mean_weight_is_right",
    ),
    fault(
        "pilot-saw-z", "estimators/pilot.py",
        "here = path.at(path.draw(CHAINS))", "here = path.at(path.known()[0].expand(CHAINS, -1, -1))",
        "tests/estimators/test_ais.py::test_the_plan_never_depends_on_a_known_z",
    ),
    fault(
        "every-proposal-accepted", "estimators/hmc.py",
        "return torch.rand_like(gain) < gain.exp()", "return torch.rand_like(gain) < 2",
        "tests/estimators/test_ais.py::test_a_transition_leaves_its_density_as_it_is",
    ),
    fault(
        "shuffled-z-compared-with-itself", "diagnostics/collapse.py",
        "foreign = tuple(g[:, order] for g in z)", "foreign = tuple(g[:, order.sort().values] for g in z)",
        "tests/diagnostics/test_collapse.py::test_the_drop_of_a_linear_gaussian_model_is_the_closed_form",
    ),
    fault(
        "percentile-from-the-wrong-end", "use/reference.py",
        "100.0 * np.searchsorted(among, log_p", "100.0 - 100.0 * np.searchsorted(among, log_p",
        "tests/runs/test_laws.py::test_a_percentile_is_the_share_of_less_likely_validation_examples",
    ),
    fault(
        "ranked-among-test-examples", "runs/store.py",
        'read_scores(self.path / SCORES, "valid", ', 'read_scores(self.path / SCORES, "test", ',
        "tests/runs/test_laws.py::test_a_percentile_is_the_share_of_less_likely_validation_examples",
    ),
    fault(
        "ranked-among-examples-of-other-draws", "fitting/carry_out.py",
        "run.write_scores(reference.log_px,", "run.write_scores(judged(run.model, ranked, judge).estimate.log_px,",
        "tests/use/test_score.py::test_validation_examples_have_the_scores_that_they_are_ranked_by",
    ),
    fault(
        "a-verdict-from-too-little", "diagnostics/verdicts.py",
        "limit = max(WORTH, ", "limit = max(0.0, ",
        "tests/evaluation/test_findings.py::test_a_difference_is_clear_beyond_chance_and_beyond_what_matters",
    ),
    fault(
        "a-square-beyond-float32", "distributions/continuous.py",
        "return x if torch.is_grad_enabled() else x.double()", "return x",
        "tests/use/test_odd_rows.py::test_far_values_have_the_density_that_an_integral_over_z_has",
    ),
    fault(
        "classes-counted-as-rows", "fitting/classes.py",
        "ones, classes = int((count == 1).sum())", "ones, classes = int((count == 2).sum())",
        "tests/fitting/test_notes.py",
    ),
    fault(
        "a-shape-without-its-row", "use/score.py",
        "return np.where(impossible, np.nan, found.numpy())", "return np.full(len(impossible), float(found.median()))",
        "tests/use/test_score.py::test_each_row_has_the_pareto_shape_of_its_own_weights",
    ),
    fault(
        "training-rows-judged-as-new", "evaluation/splits.py",
        "(new, GIVEN) if own is None else (getattr(own, split), split)", "(new, GIVEN)",
        "tests/evaluation/test_findings.py::test_of_its_own_data_a_run_is_judged_on_what_was_not_trained_on",
    ),
    fault(
        "a-unit-of-nothing", "use/units.py",
        "if not differ(known):", "if not len(known):",
        "tests/use/test_oddity.py::test_a_unit_is_where_the_oddest_twentieth_begins",
    ),
    fault(
        "imputed-over-what-is-known", "use/impute.py",
        "missing = ~observed[self.rows]", "missing = observed[self.rows] | True",
        "tests/use/test_impute.py::test_what_was_observed_comes_back_bit_by_bit",
    ),
    fault(
        "imputed-without-weights", "use/impute.py",
        "w = weights(log_w)  # [K, B]", "w = weights(0 * log_w)",
        "tests/use/test_impute.py::test_a_wrong_posterior_is_put_right_by_the_weights",
    ),
    fault(
        "first-rows-for-a-subset", "data/split.py",
        "return ends[:-1] + (place * (ends[1:] - ends[:-1])).long()", "return torch.arange(count)",
        "tests/data/test_spread.py::test_a_subset_depends_on_the_seed_and_holds_every_stretch",
    ),
    fault(
        "labels-in-one-mean-with-none", "evaluation/splits.py",
        "return replace(split, y=None) if partly and is_conditioned(model) else split", "return split",
        "tests/models/test_condition.py::test_labels_known_in_part_are_summed_out_of_the_number_and_told_apart",
    ),
    fault(
        "simple-models-against-given-labels", "fitting/carry_out.py",
        "b.compared_with(compared.log_px.numpy())", "b.compared_with(test.estimate.log_px.numpy())",
        "tests/models/test_condition.py::test_simple_models_are_compared_with_log_p_of_x",
    ),
    fault(
        "a-copy-that-is-not-found", "use/nearest.py",
        "exact[np.isin(found, twins)] = 0.0", "exact[np.isin(found, twins)] += 0.0",
        "tests/use/test_neighbours.py::test_families_without_a_mean_in_closed_form",
    ),
    fault(
        "neighbours-by-their-place-in-the-split", "use/neighbours.py",
        "return Neighbours(rows, train[index],", "return Neighbours(rows, index,",
        "tests/use/test_neighbours.py::test_neighbours_are_those_of_a_search_by_hand",
    ),
    fault(
        "too-likely-is-not-odd", "use/oddity.py",
        'yield Measure.of("log p(x) low", "log p(x) high",', 'yield Measure.of("log p(x) low", "",',
        "tests/use/test_oddity.py::test_a_picture_that_is_too_likely_is_odd",
    ),
    fault(
        "a-known-row-is-its-own-neighbour", "use/knownrows.py",
        "np.where(known, found[:, 1], found[:, 0])", "found[:, 0]",
        "tests/use/test_knownrows.py::test_a_known_row_is_compared_with_the_others",
    ),
    fault(
        "codes-of-categories-as-numbers", "use/knownrows.py",
        'return columns is not None and columns[d].kind == "category"', "return False",
        "tests/use/test_knownrows.py::test_a_rare_level_is_odd_whatever_its_code",
    ),
    fault(
        "what-is-missing-is-far-out", "use/knownrows.py",
        "np.where(seen[:, d], tail(x[:, d], np.sort(known)) ** 2, 0)", "tail(x[:, d], np.sort(known)) ** 2",
        "tests/use/test_knownrows.py::test_gaps_are_neither_near_nor_far",
    ),
    fault(
        "far-out-on-one-side-alone", "use/knownrows.py",
        "np.maximum(upper_tail(values, known), upper_tail(-values, -known[::-1]))", "upper_tail(values, known)",
        "tests/use/test_knownrows.py::test_far_out_is_far_on_either_side_and_beyond_the_last",
    ),
    fault(
        "likelier-rows-in-the-order-of-tables", "use/oddity.py",
        "np.maximum(surprises(-values, -usual) - 1, 0)", "np.maximum(surprises(-values, -usual), 0)",
        "tests/use/test_oddity.py::test_oddity_of_a_row_is_the_farthest_of_its_measures",
    ),
    fault(
        "the-worst-of-four-predictions", "use/complexity.py",
        "return 8 * min(len(", "return 8 * max(len(",
        "tests/use/test_oddity.py::test_bits_per_value_are_those_of_the_best_prediction",
    ),
    fault(
        "error-of-one-draw", "use/score.py",
        "np.where(few | np.isneginf(log_px), np.nan, estimate.stderr_mc.numpy())", "estimate.stderr_mc.numpy()",
        "tests/use/test_score.py::test_a_row_that_one_draw_carries_has_no_error_and_is_named",
    ),
)

MODELS = (  # codes, ladders and diffusions, and parts from other packages
    fault(
        "farthest-code", "nn/quantize.py",
        "alpha=-1).argmin(-1)", "alpha=-1).argmax(-1)",
        "tests/models/test_vqvae.py::test_a_vector_becomes_the_nearest_code",
    ),
    fault(
        "no-gradient-through-codes", "nn/quantize.py",
        "return Quantized(h, codes, h + (e - h).detach(), commitment, book)",
        "return Quantized(h, codes, e.detach() + 0 * h, commitment, book)",
        "tests/models/test_vqvae.py::test_the_gradient_of_a_code_is_handed_to_the_vector",
    ),
    fault(
        "scalars-between-their-levels", "nn/quantize.py",
        "o = torch.where(self.levels % 2 == 0, 0.5, 0.0)", "o = torch.where(self.levels % 2 == 0, 0.0, 0.0)",
        "tests/models/test_vqvae.py::test_scalars_of_a_codebook_size",
    ),
    fault(
        "codes-for-nothing", "models/vqvae/vqvae.py",
        "-self.num_codes * math.log(self.codebook_size)", "0.0",
        "tests/models/test_vqvae.py::test_stages_uniform_first_then_the_prior_alone",
    ),
    fault(
        "diffusion-kl-doubled", "models/vdm/steps.py",
        "kl.append(0.5 * growth *", "kl.append(growth *",
        "tests/exact/test_diffusion.py::test_the_kl_of_a_layer_is_that_of_its_two_gaussians",
    ),
    fault(
        "diffusion-loss-without-its-slope", "models/vdm/vdm.py",
        "return slope * error, {}", "return error, {}",
        "tests/exact/test_diffusion.py::test_the_loss_in_continuous_time_is_the_limit_of_many_steps",
    ),
    fault(
        "times-shared-by-all-draws", "models/vdm/vdm.py",
        "return (torch.arange(K, **made).unsqueeze(1) + torch.rand(K, B, **made)) / K",
        "return torch.rand(1, B, **made).expand(K, B)",
        "tests/exact/test_diffusion.py::test_times_are_spread_over_the_batch_in_training_and_over_the_draws_in_judging",
    ),
    fault(
        "closed-form-where-there-is-none", "models/hvae/hvae.py",
        "if self.ladder.downward:", "if True:",
        "tests/exact/test_hierarchical.py::test_the_kl_of_each_group_is_the_mean_of_its_samples",
    ),
    fault(
        "zuko-switches-checks-off", "nn/flows.py",
        "Distribution.set_default_validate_args(checks)", "pass",
        "tests/priors/test_priors.py::test_importing_the_parts_leaves_torch_and_building_a_flow_leaves_its_checks",
    ),
    fault(
        "x-through-bf16", "models/vae/vae.py",
        ".log_prob(batch.x)", ".log_prob(batch.x.bfloat16().float())",
        "tests/train/test_train.py::test_x_and_densities_never_pass_through_bf16",
    ),
)

TRAINING = (  # each example once an epoch, nothing infinite, the same numbers after a kill
    fault(
        "sampler-position-lost", "train/order.py",
        "first = step * batch_size", "first = 0 * batch_size",
        "tests/train/test_train.py::test_every_epoch_meets_each_example_once_and_no_batch_is_short",
    ),
    fault(
        "average-never-updated", "train/ema.py",
        "torch._foreach_lerp_(self._mean, self._live, 1 - keep)",
        "torch._foreach_lerp_(self._mean, self._live, 0.0)",
        "tests/train/test_train.py::test_the_average_follows_its_formula",
    ),
    fault(
        "validation-weighs-blocks-alike", "train/validation.py",
        "float(value) * rows", "float(value) * ROWS",
        "tests/train/test_train.py::test_validation_is_the_mean_over_every_example_once",
    ),
    fault(
        "infinite-loss-stepped-over", "train/loop.py",
        "if not self.late and not (math.isfinite(norm) and math.isfinite(loss)):", "if False:",
        "tests/train/test_train.py::test_a_value_that_is_not_finite_stops_before_the_update",
    ),
    fault(
        "resume-from-zero", "fitting/trainer.py",
        "self.state.load(found.tensors, found.step - first,", "self.state.load(found.tensors, 0,",
        "tests/runs/test_laws.py::test_what_was_interrupted_goes_on_to_the_same_numbers",
    ),
    fault(
        "best-weights-forgotten-on-resume", "fitting/trainer.py",
        'Best(values["best_bound"], values.get("best_trained", values["best_bound"]), values["since_best"])', "Best()",
        "tests/runs/test_laws.py::test_what_was_interrupted_goes_on_to_the_same_numbers",
    ),
    fault(
        "usual-length-lost", "train/loop.py",
        "self.usual.copy_(value)", "pass",
        "tests/train/test_guard.py::test_it_goes_on_bit_by_bit_from_a_checkpoint",
    ),
)

FILES = (  # whole or not there, one writer, nothing overwritten, and what a command answers
    fault(
        "written-in-place", "plainfiles.py",
        'name = f".unveil-{secrets.token_hex(8)}.tmp"', "name = path.name; path.unlink(missing_ok=True)",
        "tests/test_files.py",
    ),
    fault(
        "renamed-before-it-is-on-the-disk", "plainfiles.py",
        "os.fsync(handle)", "pass",
        "tests/test_files.py",
    ),
    fault(
        "checksum-not-read", "train/checkpoint.py",
        'same and found["sha256"] == sha256_of(folder / TENSORS)', 'same',
        "tests/runs/test_laws.py::test_a_damaged_state_is_passed_over_for_an_older_one_or_refused",
    ),
    fault(
        "old-state-gone-before-the-new-is-read", "train/checkpoint.py",
        "if not _whole(final):", "if [_remove(f) for f in root.iterdir() if f != final] and not _whole(final):",
        "tests/runs/test_laws.py::test_the_state_before_goes_only_when_the_new_one_was_read_back",
    ),
    fault(
        "written-through-a-link", "plainfiles.py",
        "handle = os.open(path, flags | NO_LINK, 0o666)", "handle = os.open(path.resolve(), flags, 0o666)",
        "tests/hostile/test_links.py::test_the_last_moment_before_a_file_is_opened",
    ),
    fault(
        "what-another-wrote-removed", "train/checkpoint.py",
        "own = path.name in (STATE, TENSORS) or", "own = True or",
        "tests/hostile/test_links.py::test_only_states_that_were_written_here_are_removed",
    ),
    fault(
        "the-only-state-removed-first", "train/checkpoint.py",
        r'NAME = re.compile(r"\d{8,20}|\.\d{8,20}\.tmp")', r'NAME = re.compile(r"\d{8,20}")',
        "tests/hostile/test_links.py::test_a_state_of_the_same_step_is_kept_until_the_new_one_is_whole",
    ),
    fault(
        "a-closed-stream-left-closed", "cli/channels.py",
        "for number in range(3):", "for number in range(0):",
        "tests/hostile/test_channels.py::test_a_stream_that_takes_nothing_leaves_no_traceback",
    ),
    fault(
        "a-failed-stream-tried-again", "cli/channels.py",
        "os.dup2(null, self.under.fileno())", "os.fstat(null)",
        "tests/hostile/test_channels.py::test_a_channel_fails_once",
    ),
    fault(
        "a-dash-in-front-typed-as-an-option", "legible.py",
        'text = f"./{text}" if text.startswith("-") else text', "text = str(text)",
        "tests/hostile/test_names.py::test_a_path_in_a_command_works_when_it_is_typed",
    ),
    fault(
        "a-config-that-is-no-unicode", "files.py",
        'text.encode(errors="backslashreplace")', 'text.encode(errors="surrogateescape")',
        "tests/hostile/test_names.py::test_tables_and_json_are_utf8_whatever_a_name_is",
    ),
    fault(
        "a-page-without-end", "report/page.py",
        "<= MOST_BYTES:", "<= 100 * MOST_BYTES:",
        "tests/report/test_report_limits.py::test_a_part_that_is_too_large_is_left_out_with_a_word",
    ),
    fault(
        "a-number-that-float32-lacks", "settings/keys.py",
        "if abs(value) > LARGEST:", "if abs(value) > float('inf'):",
        "tests/hostile/test_arguments.py::test_a_number_that_nothing_holds_is_refused",
    ),
    fault(
        "control-characters-shown", "output/streams.py",
        "return CONTROL.sub(UNKNOWN, text)", "return text",
        "tests/hostile/test_words.py::test_a_list_of_runs_sends_no_control_characters",
    ),
    fault(
        "nobody-kept-out", "runs/locking.py",
        "lock.acquire(timeout=PATIENCE, poll_interval=EVERY)", "pass",
        "tests/runs/test_laws.py::test_a_second_writer_is_kept_out",
    ),
    fault(
        "a-killed-process-said-to-hold-a-run", "runs/locking.py",
        "if host == socket.gethostname() and abs(_begun(pid) - begun) > SLACK:", "if False:",
        "tests/runs/test_locking.py::test_a_note_of_a_killed_process_names_nobody",
    ),
    fault(
        "two-fits-in-one-folder", "runs/locking.py",
        "            path.mkdir()", "            path.mkdir(exist_ok=True)",
        "tests/runs/test_locking.py::test_fits_that_begin_at_one_moment_have_each_their_folder_and_their_choices",
    ),
    fault(
        "choices-of-before-the-lock", "runs/store.py",
        "                self._refresh()", "                pass",
        "tests/runs/test_locking.py::test_choices_that_another_process_wrote_are_read_again",
    ),
    fault(
        "files-of-two-phases-taken-for-one", "runs/standing.py",
        "if of is not None and of != self.of_weights]", "if False]",
        "tests/runs/test_standing.py::test_a_mixture_of_phases_is_named",
    ),
    fault(
        "finished-without-a-report", "fitting/phases.py",
        "elif run.is_finished and not run.standing.changed and run.report_path.is_file():", "elif run.is_finished:",
        "tests/runs/test_standing.py::test_resume_makes_what_is_missing_and_trains_nothing",
    ),
    fault(
        "trained-again-for-a-lost-file", "fitting/carry_out.py",
        "if not run.standing.is_trained or run.standing.changed == run.standing.weights.name:", "if True:",
        "tests/runs/test_standing.py::test_weights_are_enough_to_go_on_from",
    ),
    fault(
        "a-report-of-another-result-kept", "runs/store.py",
        "            self.report_path.unlink(missing_ok=True)", "            pass",
        "tests/runs/test_standing.py::test_a_new_result_has_a_new_report",
    ),
    fault(
        "half-a-row-of-metrics-left", "runs/metrics.py",
        "os.ftruncate(handle, size)", "pass",
        "tests/hostile/test_faults.py::test_a_row_of_metrics_is_there_whole_or_not_at_all",
    ),
    fault(
        "half-a-pack-left", "plainfiles.py",
        "                own.rmdir()", "                pass",
        "tests/runs/test_standing.py::test_a_pack_that_fails_leaves_nothing",
    ),
    fault(
        "memory-found-short-in-the-first-step", "planning/plan.py",
        "    check_memory(model, each, batch if asked else min(batch, fits))", "    pass",
        "tests/planning/test_memory.py::test_a_fit_that_is_too_large_says_what_needs_less",
    ),
    fault(
        "limits-of-control-groups-unseen", "planning/available.py",
        "for group in (folder, *folder.parents):", "for group in (folder,):",
        "tests/planning/test_memory.py::test_the_limits_of_control_groups_count",
    ),
    fault(
        "run-overwritten", "runs/paths.py",
        "path.is_dir() and any(path.iterdir())", "False",
        "tests/runs/test_laws.py::test_a_run_is_never_overwritten",
    ),
    fault(
        "wrong-request-that-failed", "cli/failures.py",
        "return Failure(2, error.message, error.hint)", "return Failure(1, error.message, error.hint)",
        "tests/cli/test_errors.py::test_every_error_has_its_exit_status",
    ),
    fault(
        "signal-that-was-success", "cli/failures.py",
        "return Failure(128 + error.signum, error.message, error.hint)",
        "return Failure(0, error.message, error.hint)",
        "tests/cli/test_errors.py::test_every_error_has_its_exit_status",
    ),
)
# fmt: on

# fmt: off
STARTS = (
    fault(
        "start-from-noise", "models/vae/vae.py",
        "if self.linear is not None and batch.z is None:", "if False:",
        "tests/models/test_linear_start.py::test_the_bound_of_the_start_is_the_likelihood_of_factor_analysis",
    ),
    fault(
        "mask-that-q-ignores", "nn/linear_posterior.py",
        "self._whole(u) if seen is None else self._masked(u, seen)", "self._whole(u)",
        "tests/models/test_linear_start.py::test_the_posterior_under_a_mask_is_that_of_the_observed_part",
    ),
    fault(
        "spread-within-components-alone", "nn/linear_posterior.py",
        "(variance + (mean - middle.unsqueeze(-2)) ** 2)", "variance",
        "tests/models/test_linear_start.py::test_the_posterior_of_a_mixture_has_the_moments_that_bayes_gives",
    ),
    fault(
        "mixture-for-wide-tables", "models/vae/vae.py",
        "domain.num_dims < num_examples < LONG_TABLE", "num_examples < LONG_TABLE",
        "tests/models/test_linear_start.py::test_a_fit_of_a_short_table_says_that_it_takes_a_mixture",
    ),
    fault(
        "start-that-is-not-judged", "fitting/trainer.py",
        "if self.made == 0 and self.best.bound is None and self.state.model.starts_fitted:", "if False:",
        "tests/fitting/test_stages.py::test_metrics_name_their_stage_and_count_steps_through",
    ),
    fault(
        "fill-value-taken-as-x", "data/stray.py",
        "return far", "return none",
        "tests/data/test_stray.py::test_a_fill_value_is_not_observed",
    ),
    fault(
        "odd-value-that-is-likely", "use/score.py",
        "np.where(given.outside, -np.inf, estimate.log_px.numpy())", "estimate.log_px.numpy()",
        "tests/use/test_odd_rows.py::test_a_value_that_cannot_be_has_probability_0",
    ),
)
RECORDS = (  # a file of a run is checked whole, within limits, before anything of it is used
    fault(
        "files-of-two-runs-taken-for-one", "runs/standing.py",
        "return bool(known) and known != self.run", "return False",
        "tests/runs/test_standing.py::test_a_file_of_another_run_is_named",
    ),
    fault(
        "changed-bytes-unseen", "runs/standing.py",
        'if told["weights"] and self._weights_sum != told["weights"]:', "if False:",
        "tests/runs/test_standing.py::test_a_changed_byte_is_found_and_resume_mends_it",
    ),
    fault(
        "state-of-another-run", "fitting/trainer.py",
        'if found is not None and found.values.get("run") not in (None, self.run.identity):', "if False:",
        "tests/runs/test_standing.py::test_a_state_of_another_run_is_not_gone_on_from",
    ),
    fault(
        "weights-that-are-no-numbers", "train/checkpoint.py",
        "if held.is_floating_point() and not bool(held.isfinite().all())]:", "if False]:",
        "tests/use/test_finite.py::test_weights_that_are_no_numbers_are_refused",
    ),
    fault(
        "nothing-but-nan-in-a-file", "use/finite.py",
        "if not bool(found.isfinite().all()):", "if False:",
        "tests/use/test_finite.py::test_weights_without_end_give_a_sentence",
    ),
    fault(
        "rows-that-end-before-they-begin", "data/h5ad.py",
        "or bool((np.diff(starts) < 0).any()):", "or False:",
        "tests/hostile/test_h5ad.py::test_what_is_no_matrix_is_refused_by_name",
    ),
    fault(
        "json-of-any-depth", "records.py",
        "    _check_depth(found)", "    pass",
        "tests/hostile/test_schemas.py::test_what_is_no_json_within_the_limits",
    ),
    fault(
        "numbers-of-any-length", "records.py",
        "if len(text) > MOST_DIGITS:", "if False:",
        "tests/hostile/test_schemas.py::test_what_is_no_json_within_the_limits",
    ),
    fault(
        "json-of-any-size", "plainfiles.py",
        "if most is not None and os.fstat(handle).st_size > most:", "if False:",
        "tests/hostile/test_schemas.py::test_a_file_that_is_too_large_is_not_read",
    ),
    fault(
        "record-of-any-kind", "records.py",
        "        msgspec.convert(found, kind)", "        pass",
        "tests/hostile/test_schemas.py::test_what_is_wrong_is_one_sentence",
    ),
    fault(
        "part-of-any-type", "registry.py",
        "if not _is_a(value, hints[name]):", "if False:",
        "tests/hostile/test_schemas.py::test_what_is_wrong_is_one_sentence",
    ),
    fault(
        "model-of-any-size", "allowance.py",
        "if self.left < 0:", "if False:",
        "tests/hostile/test_schemas.py::test_a_model_takes_no_more_than_it_may",
    ),
    fault(
        "model-of-other-x", "runs/building.py",
        "if model.domain != domain:", "if False:",
        "tests/hostile/test_schemas.py::test_what_is_wrong_is_one_sentence",
    ),
    fault(
        "only-one-state-kept", "train/checkpoint.py",
        "if other not in (final, before):", "if other != final:",
        "tests/runs/test_laws.py::test_the_state_before_goes_only_when_the_new_one_was_read_back",
    ),
    fault(
        "values-of-a-state-unchecked", "train/checkpoint.py",
        "found if same and found", "found if found",
        "tests/hostile/test_schemas.py::test_a_damaged_newest_state_falls_back_and_says_so",
    ),
    fault(
        "broken-rows-kept", "runs/metrics.py",
        'if line.endswith(b"\\n") and _row(line) is not None', 'if line.endswith(b"\\n")',
        "tests/hostile/test_schemas.py::test_a_line_that_is_no_row_is_left_out_and_cut",
    ),
    fault(
        "bad-run-stops-the-list", "output/lists.py",
        "except (RequestError, OSError) as error:", "except OSError as error:",
        "tests/hostile/test_schemas.py::test_one_bad_run_never_stops_the_list",
    ),
    fault(
        "damaged-pack", "use/packed.py",
        "    run.require_whole()", "    pass",
        "tests/hostile/test_schemas.py::test_weights_of_another_form_are_not_packed",
    ),
)
SYNTHETIC = (  # rows that a model makes of a table, judged beside what chance and real rows reach
    fault(
        "numbers-by-their-mean", "diagnostics/trends.py",
        "return float(np.abs(np.subtract(*below)).max())", "return float(np.abs(np.subtract(*below)).mean())",
        "tests/diagnostics/test_synthetic.py::test_numbers_have_the_statistic_of_kolmogorov_and_levels_their_variation",
    ),
    fault(
        "a-correlation-counted-twice", "diagnostics/trends.py",
        "_correlation(b[:, [c, d]])) / 2", "_correlation(b[:, [c, d]]))",
        "tests/diagnostics/test_synthetic.py::test_pairs_that_were_permuted_have_the_errors_that_follow",
    ),
    fault(
        "no-chance-taken", "diagnostics/trends.py",
        "mixed = rng.permutation(both)", "mixed = both",
        "tests/diagnostics/test_synthetic.py::test_identical_tables_have_no_error_and_chance_makes_some",
    ),
    fault(
        "told-apart-on-the-rows-of-the-fit", "diagnostics/usefulness.py",
        "for fit, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, y):",
        "for fit, test in ((t, t) for _, t in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, y)):",
        "tests/diagnostics/test_synthetic.py::test_rows_of_one_table_are_not_told_apart_and_others_are",
    ),
    fault(
        "nearer-among-more-training-rows", "diagnostics/closeness.py",
        "one, other = _nearest(asked, as_many), _nearest(asked, beside)",
        "one, other = to_train, _nearest(asked, beside)",
        "tests/diagnostics/test_synthetic.py::test_copies_are_counted_and_fresh_rows_are_as_near_as_held_out_ones",
    ),
    fault(
        "copies-with-gaps-unseen", "diagnostics/closeness.py",
        "return np.where(np.isnan(rows), np.float32(np.nan), rows.astype(np.float32) + np.float32(0))",
        "return np.where(np.isnan(rows), np.arange(rows.size, dtype=np.float32).reshape(rows.shape), rows)",
        "tests/diagnostics/test_synthetic.py::test_copies_with_gaps_are_copies_and_the_share_among_held_out_rows_stands_beside",
    ),
    fault(
        "rows-without-gaps-beside-rows-with", "diagnostics/syntheticrows.py",
        "    x = with_gaps(model, torch.from_numpy(x), torch.from_numpy(np.isnan(gaps.x)), seed).numpy()", "    pass",
        "tests/diagnostics/test_synthetic.py::test_gaps_are_those_of_training_rows_and_said",
    ),
    fault(
        "draws-beyond-the-ends", "diagnostics/syntheticrows.py",
        "x[:, d] = np.clip(x[:, d], column.low, column.high)", "pass",
        "tests/diagnostics/test_synthetic.py::test_drawn_numbers_are_brought_between_the_ends_of_training",
    ),
    fault(
        "errors-of-other-columns", "runs/schemas/diagnosis.py",
        "if any(place >= count for place in of.paired):", "if False:",
        "tests/report/test_report_synthetic.py::test_a_part_that_does_not_fit_itself_is_refused",
    ),
)
TABLES = (  # what a row, a column or a level of a mixed table is said to be
    fault(
        "draws-that-see-every-column", "estimators/conditionals.py",
        "seen.unsqueeze(1) & ~hidden], 1)", "(seen.unsqueeze(1) | ~hidden) & seen.unsqueeze(1)], 1)",
        "tests/estimators/test_conditionals.py::test_a_column_that_moves_q_away_is_found_by_draws_that_do_not_see_it",
    ),
    fault(
        "a-column-given-itself", "estimators/conditionals.py",
        "without = with_d - log_p", "without = with_d - 0.5 * log_p",
        "tests/estimators/test_conditionals.py::test_left_out_columns_are_ratios_of_enumerated_rows",
    ),
    fault(
        "a-column-expected-as-it-came", "use/expected.py",
        "seen.scatter(-1, d.unsqueeze(-1), False)", "seen",
        "tests/use/test_explain.py::test_the_column_that_does_not_belong_is_named_and_what_was_expected",
    ),
    fault(
        "columns-ranked-by-log-p-alone", "use/explain.py",
        "column = np.where(lowest, below, -1.0).argmax(1)", "column = lowest.argmax(1)",
        "tests/use/test_explain.py::test_a_column_is_ranked_among_its_own_and_of_several_at_0_the_farthest_is_named",
    ),
    fault(
        "a-gap-ranked-among-whole-rows", "use/masks.py",
        "_scored(run, valid, rows, mask, seed)", "_scored(run, valid, rows, known[0], seed)",
        "tests/use/test_masks.py::test_both_are_log_p_of_the_same_columns",
    ),
    fault(
        "conditions-of-which-one-is-enough", "use/where.py",
        "np.logical_and.reduce(", "np.logical_or.reduce(",
        "tests/use/test_where.py::test_rejection_leaves_what_a_free_draw_would_have_had",
    ),
    fault(
        "equality-by-drawing-it", "use/where.py",
        "seen[:, c.column] = c.code, True", "seen[:, c.column] = c.code, False",
        "tests/use/test_where.py::test_given_a_level_the_others_come_as_often_as_the_model_says",
    ),
    fault(
        "levels-that-are-new-in-silence", "data/newcodes.py",
        "if not strange:", "if strange or not strange:",
        "tests/cli/test_mixed_columns.py::test_a_level_that_training_had_none_of_is_named_and_not_observed",
    ),
    fault(
        "numbers-rounded-in-silence", "data/newcodes.py",
        "if not between.any():", "if between.any() or not between.any():",
        "tests/cli/test_mixed_columns.py::test_a_number_between_two_cells_is_said",
    ),
    fault(
        "columns-left-out-in-silence", "output/columns_table.py",
        "for name, why in table.left_out.items()", "for name, why in ()",
        "tests/cli/test_columns_table.py::test_a_dry_run_says_what_each_column_is_taken_for",
    ),
    fault(
        "cells-half-as-wide", "distributions/numbers.py",
        "torch.stack([wide - 0.5, wide + 0.5])", "torch.stack([wide - 0.25, wide + 0.25])",
        "tests/likelihoods/test_columns.py::test_the_values_of_a_discrete_column_add_up_to_one",
    ),
    fault(
        "a-density-of-what-is-stretched", "distributions/numbers.py",
        "- self.log_scale + slope", "- self.log_scale",
        "tests/likelihoods/test_columns.py::test_a_measured_column_integrates_to_one_with_its_atoms",
    ),
    fault(
        "atoms-without-their-neighbourhood", "distributions/columns.py",
        "torch.where(layout.is_cells, torch.logaddexp(log_atom, beside), log_atom)", "log_atom",
        "tests/likelihoods/test_columns.py::test_the_values_of_a_discrete_column_add_up_to_one",
    ),
    fault(
        "means-beyond-all-that-came", "distributions/numbers.py",
        "torch.minimum(torch.maximum(stretch.inverse(t), stretch.low), stretch.high)", "stretch.inverse(t)",
        "tests/likelihoods/test_columns.py::test_a_mean_stays_within_what_came_and_is_that_of_draws",
    ),
    fault(
        "a-column-that-sees-itself", "models/autoregressive/any_order.py",
        "self._hidden(features, seen & (rank < first))", "self._hidden(features, seen & (rank <= first))",
        "tests/likelihoods/test_columns.py::test_all_rows_of_a_tiny_table_add_up_to_one",
    ),
    fault(
        "sets-of-columns-unweighted", "models/autoregressive/any_order.py",
        "((len(starts) - 1) * size / (D - first))", "((len(starts) - 1) * size / D)",
        "tests/likelihoods/test_columns.py::test_what_is_trained_on_is_the_mean_over_all_orders",
    ),
    fault(
        "a-guess-from-what-is-hidden", "nn/linear_guess.py",
        "torch.where(told, self._standard(u[..., used], used), 0.0) @ weighted",
        "self._standard(u[..., used], used) @ weighted",
        "tests/nn/test_linear_guess.py::test_a_guess_is_the_conditional_mean_of_a_normal_distribution",
    ),
    fault(
        "gaps-taken-for-the-mean", "nn/linear_guess.py",
        "(fixed + weight * (full.T @ full + left))", "(fixed + weight * (full.T @ full))",
        "tests/nn/test_linear_guess.py::test_gaps_at_random_leave_the_covariance",
    ),
    fault(
        "the-first-family-whatever-it-reached", "planning/candidates.py",
        "best = max(tried, key=lambda name: _sure_gain(promised[name] - promised[tried[0]]))", "best = tried[0]",
        "tests/planning/test_candidates.py::test_the_best_on_validation_is_taken_and_said",
    ),
    fault(
        "a-high-start-taken-for-an-end", "planning/candidates.py",
        "3 * bound_of_each(model, valid, Elbo()).double() - 2 * before", "bound_of_each(model, valid, Elbo()).double()",
        "tests/planning/test_candidates.py::test_a_family_that_climbs_is_taken_before_one_that_starts_high",
    ),
    fault(
        "components-set-apart-twice", "models/mixture/table.py",
        "self.h.normal_().mul_(APART)", "pass",
        "tests/contracts/test_models.py::test_a_model_that_is_started_twice_is_started_once",
    ),
)

BOTH = (  # pictures and texts
    fault(
        "experts-without-the-prior", "posteriors/experts.py",
        "total = alone + precision.sum(-2)", "total = 1e-6 + precision.sum(-2)",
        "tests/models/test_joint.py::test_where_nothing_is_observed_q_is_the_prior",
    ),
    fault(
        "an-expert-that-is-not-there", "posteriors/experts.py",
        "precision = (there > 0) * torch.exp", "precision = torch.exp",
        "tests/models/test_joint.py::test_where_nothing_is_observed_q_is_the_prior",
    ),
    fault(
        "told-after-the-end", "nn/texts.py",
        "reached = torch.arange(longest, device=t.device) < lengths[rows].unsqueeze(-1)",
        "reached = torch.ones_like(told, dtype=torch.bool)",
        "tests/models/test_joint.py::test_all_texts_of_an_alphabet_sum_to_one",
    ),
    fault(
        "texts-mixed-up", "nn/texts.py",
        "return torch.cat(parts)[torch.cat(order).argsort()]", "return torch.cat(parts)",
        "tests/models/test_joint.py::test_a_reader_says_the_same_of_a_text_in_any_company",
    ),
    fault(
        "covering-without-company", "models/vae/joint.py",
        "several = there[:, head.text] & (there.sum(-1) > 1)", "several = there[:, head.text]",
        "tests/models/test_joint.py::test_covering_is_learned_by_the_experts_of_texts_with_company_alone",
    ),
    fault(
        "a-prior-of-means", "models/vae/vae.py",
        "z = self.posterior_head(features).sample((1,))", "z = self.posterior_head(features).mean.unsqueeze(0)",
        "tests/train/test_encoded.py::test_the_prior_alone_comes_to_the_moments_of_all_draws_of_z",
    ),
    fault(
        "pictures-by-weights", "use/both.py",
        "if isinstance(posterior.distribution, Rows):", "if posterior.distribution is None:",
        "tests/models/test_joint.py::test_pictures_of_a_text_are_made_of_the_z_that_learned_to_cover_it",
    ),
    fault(
        "covered-without-the-text", "models/vae/joint.py",
        "torch.where(whole, covering, 0.0)", "covering",
        "tests/models/test_joint.py::test_a_text_that_was_not_shown_is_not_covered_by_draws_that_do_not_know_it",
    ),
    fault(
        "a-flow-for-all", "posteriors/experts.py",
        "alone = there[..., self.text] & (there.sum(-1) == 1)", "alone = there[..., self.text]",
        "tests/models/test_joint.py::test_a_text_alone_has_the_flow_and_all_else_the_experts",
    ),
    fault(
        "half-a-text-observed", "likelihoods/characters.py",
        "return observed.all(-1, keepdim=True).expand_as(observed)", "return observed",
        "tests/models/test_joint.py::test_a_text_of_which_a_part_is_hidden_is_not_observed",
    ),
    fault(
        "a-deaf-modality-unsaid", "diagnostics/collapse.py",
        "if found[0] <= CLEAR * found[1]}", "if found[0] < -CLEAR}",
        "tests/diagnostics/test_collapse.py::test_a_decoder_of_texts_that_ignores_z_is_named",
    ),
    fault(
        "always-the-first-text", "data/texts.py",
        "which = (torch.rand(len(counts), device=counts.device) * counts).long()", "which = 0 * counts",
        "tests/data/test_texts.py::test_texts_become_joint_x_and_one_of_several_is_drawn_in_training",
    ),
)

ESTIMATORS = (  # what scikit-learn's checks do not see
    fault(
        "weights-ignored", "sklearn/splits.py",
        "    if weights is None:", "    if True:",
        "tests/sklearn/test_weights.py::test_the_density_goes_where_the_weight_is",
    ),
    fault(
        "held-out-rows-unweighed", "sklearn/splits.py",
        "valid=_weighed(data.valid, weights, seed))", "valid=data.valid)",
        "tests/sklearn/test_weights.py::test_the_split_counts_rows_as_they_weigh",
    ),
    fault(
        "rows-of-no-weight-kept", "sklearn/base.py",
        "kept = np.flatnonzero(weights)", "kept = np.arange(len(weights))",
        "tests/sklearn/test_weights.py::test_a_row_of_weight_zero_is_as_if_it_were_not_there",
    ),
    fault(
        "test-rows-wasted", "sklearn/splits.py",
        "train = _joined(data.train, data.test)", "train = data.train",
        "tests/sklearn/test_model.py::test_rows_that_nothing_judges_train",
    ),
    fault(
        "a-model-in-the-pickle", "sklearn/base.py",
        'state.pop("_opened", None)', 'state.get("_opened")',
        "tests/sklearn/test_pickles.py::test_a_pickle_names_the_estimator_and_nothing_else_of_ours",
    ),
    fault(
        "files-of-a-pickle-anywhere", "sklearn/packs.py",
        "if strange := sorted(set(files) - set(OF_PACK)):", "if strange := []:",
        "tests/sklearn/test_pickles.py::test_a_pickle_that_was_changed_is_refused_and_writes_nothing_elsewhere",
    ),
    fault(
        "odd-by-a-share-of-training-scores", "sklearn/model.py",
        "if share is not None or len(scores) < FEW:", "if len(scores) < FEW:",
        "tests/sklearn/test_model.py::test_the_share_of_odd_rows_is_as_it_was_asked_for",
    ),
    fault(
        "clocks-behind-for-ahead", "data/zones.py",
        "return moments + _offsets(", "return moments - _offsets(",
        "tests/data/test_dates.py::test_midnights_of_a_zone_are_days_and_come_back_in_it",
    ),
    fault(
        "utc-read-as-local", "use/wherevalues.py",
        "value = value[:-1] + IN_UTC", "value = value[:-1]",
        "tests/use/test_as_in_the_file.py::test_conditions_are_read_as_the_file_is_written",
    ),
    fault(
        "a-scale-of-few-numbers", "data/scales.py",
        "best if inside[best] >= NEARLY else 1.0", "best if inside[best] > 0 else 1.0",
        "tests/use/test_scales.py::test_most_numbers_tell_of_a_scale",
    ),
    fault(
        "unknown-levels-of-an-array-unsaid", "data/arraytables.py",
        "remarks = () if known is None else found.said", "remarks = ()",
        "tests/data/test_many_levels.py::test_unknown_levels_of_an_array_are_said_as_those_of_a_frame",
    ),
    fault(
        "days-of-any-numbers", "data/compactdates.py",
        "return bool(are.mean() >= NEARLY) and", "return bool(are.any()) and",
        "tests/data/test_dates.py::test_whole_numbers_that_are_no_days_stay_such",
    ),
    fault(
        "the-last-pairs-shown", "report/sections/columns.py",
        "-_closeness(x[:, list(pair)])", "_closeness(x[:, list(pair)])",
        "tests/report/test_pairs_of_columns.py::test_pairs_that_go_together_are_shown",
    ),
    fault(
        "a-tried-model-kept-as-it-is", "planning/candidates.py",
        "models[name].load_state_dict(start)", "start.clear()",
        "tests/planning/test_candidates.py::test_the_model_that_is_taken_starts_as_if_it_alone_had_been_asked_for",
    ),
    fault(
        "a-key-given-twice", "sklearn/base.py",
        "if twice := sorted(set(options) & set(own)):", "if twice := []:",
        "tests/sklearn/test_model.py::test_what_is_wrong_is_refused_in_fit",
    ),
)

PAGES = (  # what a page computes, and who may ask the server behind one
    fault(
        "a-value-taken-for-a-constant", "report/explorer/trace.py",
        'raise Untraced(f"{thing} is no value that a page has")', "pass",
        "tests/report/explorer/test_programs.py::test_what_a_page_cannot_compute_is_no_program",
    ),
    fault(
        "other-noise-in-the-page", "report/explorer/trace.py",
        "    with keyed(*noise):", "    with keyed('other'):",
        "tests/report/explorer/test_programs.py::test_a_browser_computes_what_the_model_does",
    ),
    fault(
        "anybody-may-ask", "report/explorer/server.py",
        "if not hmac.compare_digest(token.encode(), self.server.token.encode()):", "if False:",
        "tests/report/explorer/test_server.py::test_without_the_token_nothing_is_given",
    ),
    fault(
        "any-host-may-ask", "report/explorer/server.py",
        "host not in self.server.hosts or ", "",
        "tests/report/explorer/test_server.py::test_other_hosts_and_origins_are_refused",
    ),
    fault(
        "any-origin-may-ask", "report/explorer/server.py",
        'origin is not None and origin != f"http://{host}"', "False",
        "tests/report/explorer/test_server.py::test_other_hosts_and_origins_are_refused",
    ),
    fault(
        "a-page-that-computes-otherwise", "report/explorer/functions.py",
        "if not bool(off <= CLOSE * (1 + known.abs().max())):", "if False:",
        "tests/report/explorer/test_programs.py::test_a_program_that_computes_otherwise_is_refused",
    ),
)

MUTANTS = (
    *STARTS, *BOUNDS, *DATA, *JUDGING, *MODELS, *TRAINING, *FILES, *RECORDS, *SYNTHETIC, *TABLES, *BOTH, *ESTIMATORS,
    *PAGES,
)
# fmt: on
