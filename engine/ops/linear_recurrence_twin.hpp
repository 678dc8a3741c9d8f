// The equation of `linear_recurrence` in plain loops.
#pragma once

#include "ops/linear_recurrence.hpp"
#include "ops/state_read_twin.hpp"

#include <cmath>
#include <vector>

namespace gramian::twin {

/// One token of one head; pointers are null where the recurrence has no such tensor.
template <class Real>
struct RecurrenceToken {
    const Real* q;           // [F], features
    const Real* k;           // [F], features
    const Real* v;           // [E]
    const Real* decay;       // [F] or [1]
    const Real* beta;        // [F] or [1]
    const Real* erase_read;  // [F]
    const Real* erase_write; // [F]
    const Real* value_gain;  // [E]
    const Real* bonus;       // [F]
    Real head_factor = 1;
};

struct RecurrenceRule {
    uint32_t width = 0;
    uint32_t columns = 0;
    EraseRule rule = EraseRule::none;
    bool has_vector_decay = false;
    bool has_vector_beta = false;
    bool is_neg_exp = false;
    bool erases_pre = false;
    bool writes_plain = false;
    bool reads_before = false;
};

/// s: [F, E] and z: [F] or null are brought one token further; o: [E].
template <class Real>
void recurrence_step(const RecurrenceRule& rule, const RecurrenceToken<Real>& token, Real* s, Real* z, Real* o,
                     Real scale, Real epsilon, Real denominator_min)
{
    const uint32_t width = rule.width;
    const uint32_t columns = rule.columns;
    const auto beta = [&](uint32_t i) { return token.beta ? token.beta[rule.has_vector_beta ? i : 0] : Real(1); };
    const auto decay = [&](uint32_t i) {
        Real factor = token.head_factor;
        if (token.decay) {
            const Real g = token.decay[rule.has_vector_decay ? i : 0];
            factor *= std::exp(rule.is_neg_exp ? -std::exp(g) : g);
        }
        return factor;
    };
    const auto write = [&](uint32_t i) { return rule.writes_plain ? token.k[i] : beta(i) * token.k[i]; };
    const auto a = [&](uint32_t i) {
        return rule.rule == EraseRule::delta ? -beta(i) * token.k[i] : token.erase_read[i];
    };
    const auto b = [&](uint32_t i) { return rule.rule == EraseRule::delta ? token.k[i] : token.erase_write[i]; };
    const auto bonus = [&](uint32_t i) { return token.bonus ? token.bonus[i] : Real(0); };

    Real denominator = 1;
    if (z) {
        Real sum = 0;
        for (uint32_t i = 0; i < width; ++i) {
            const Real next = decay(i) * z[i] + write(i);
            sum += token.q[i] * (rule.reads_before ? z[i] + bonus(i) * write(i) : next);
            z[i] = next;
        }
        denominator = bounded_denominator(scale * sum + epsilon, denominator_min);
    }
    for (uint32_t j = 0; j < columns; ++j) {
        const Real v = token.v[j] * (token.value_gain ? token.value_gain[j] : Real(1));
        Real erased = 0;
        for (uint32_t i = 0; i < width && rule.rule != EraseRule::none; ++i) {
            erased += a(i) * s[i * columns + j] * (rule.erases_pre ? Real(1) : decay(i));
        }
        Real sum = 0;
        for (uint32_t i = 0; i < width; ++i) {
            const Real old = s[i * columns + j];
            Real next = decay(i) * old + write(i) * v;
            if (rule.rule != EraseRule::none) next += b(i) * erased;
            sum += token.q[i] * (rule.reads_before ? old + bonus(i) * write(i) * v : next);
            s[i * columns + j] = next;
        }
        o[j] = scale * sum / denominator;
    }
}

} // namespace gramian::twin
