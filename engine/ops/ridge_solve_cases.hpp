// What the two files of ridge_solve cases share: the reference of a solve and of its report.
#pragma once

#include "ops/cases.hpp"

namespace gramian {

struct Ridge {
    double alpha = 1e-4;
    bool is_relative = true;
};

Json ridge_attributes(const Ridge& ridge);

/// Expects x and the report of (a + alpha I) x = rhs for the problem's inputs a and rhs, or k and v.
void expect_ridge_solution(Problem& problem, const Ridge& ridge);

/// Expects x alone, to a tolerance that the caller knows.
void expect_solution_only(Problem& problem, const Ridge& ridge, Tolerance tolerance);

} // namespace gramian
