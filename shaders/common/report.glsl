// The report of a solve, eight words: smallest pivot, alpha, retries, residual, status, and what a solve of several
// launches keeps there: whether this attempt has failed, and trace / unknowns.
const uint kMinPivot = 0;
const uint kAlpha = 1;
const uint kRetries = 2;
const uint kResidual = 3;
const uint kStatus = 4;
const uint kIsBroken = 5;
const uint kMean = 6;

// The numbers are those of gramian::SolveStatus. A solve that is going on counts as failed so far.
const float kSolved = 0.0;
const float kNoData = 1.0;
const float kFailed = 2.0;
const float kPivotBound = 4.0 / 16777216.0; // 4 * 2^-24 of the diagonal entry: below it, rounding decides the pivot
const float kHuge = 3.0e38;                 // not less than this: not finite

bool is_attempted(uint arena, uint report)
{
    return load(arena, report + kStatus) == kFailed && load(arena, report + kIsBroken) == 0.0;
}
