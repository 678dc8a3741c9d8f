// A batch of dense systems by a textbook's kernel, shaders/naive_solve.comp: what benchmarks of ridge_solve compare
// with.
#pragma once

#include "ops/cases.hpp"

namespace gramian {

class NaiveSolve {
public:
    /// Whether a problem of this size has room in the shared memory of a workgroup.
    static bool fits(const Caps& caps, const Problem& problem);

    /// Of the problem's `a` and `rhs`; alpha is relative to the mean diagonal.
    NaiveSolve(Device& device, const Problem& problem, float alpha);

    void run() { program_->run(); }
    /// x of the last run.
    [[nodiscard]] std::vector<float> solution() const;

private:
    std::unique_ptr<Memory> memory_;
    std::unique_ptr<Program> program_;
    Shape shape_; // of rhs and x
    uint64_t x_offset_ = 0;
};

} // namespace gramian
