// Small fixed inputs for every kernel and variant, chosen so that each is picked on the devices that have it: sizes
// that no vector or workgroup divides, and those that the specialised variants are made for.
#include "base/hash.hpp"
#include "base/random.hpp"
#include "ops/half_weights.hpp"
#include "ops/self_test.hpp"

namespace gramian {
namespace {

NamedArray uniform(const char* name, Shape shape, double low = -1, double high = 1)
{
    NamedArray array{name, shape, std::vector<float>(shape.element_count())};
    Random random(hash_text(name));
    for (float& value : array.values) value = static_cast<float>(random.uniform(low, high));
    return array;
}

/// The same in halves.
NamedArray halves(const char* name, Shape shape)
{
    NamedArray array = uniform(name, shape);
    round_to_halves(array);
    return array;
}

/// Symmetric, with a heavy diagonal: [batch, size, size].
NamedArray definite(uint32_t batch, uint32_t size)
{
    NamedArray array = uniform("a", {batch, size, size});
    for (uint32_t b = 0; b < batch; ++b) {
        float* a = &array.values[size_t{b} * size * size];
        for (uint32_t i = 0; i < size; ++i) {
            for (uint32_t j = 0; j < i; ++j) a[size_t{j} * size + i] = a[size_t{i} * size + j];
            a[size_t{i} * size + i] += static_cast<float>(2 + size);
        }
    }
    return array;
}

std::vector<NamedArray> attention(uint32_t tokens, uint32_t width, uint32_t columns)
{
    return {uniform("q", {2, tokens, 2, width}), uniform("k", {2, tokens, 2, width}),
            uniform("v", {2, tokens, 2, columns})};
}

std::vector<NamedArray> with(std::vector<NamedArray> inputs, std::initializer_list<NamedArray> more)
{
    inputs.insert(inputs.end(), more);
    return inputs;
}

/// The maps by which EVA and LARA make summaries, for heads of width 5.
std::vector<NamedArray> with_maps(std::vector<NamedArray> inputs)
{
    for (const char* map : {"mu_q", "mu_k"}) {
        for (const char* part : {"weight", "bias", "norm.weight", "norm.bias"}) {
            const std::string name = fmt::format("{}.{}", map, part);
            inputs.push_back(uniform(name.c_str(), std::string_view(part) == "weight" ? Shape{5, 5} : Shape{5}));
        }
    }
    return inputs;
}

NamedArray whole_numbers(const char* name, std::vector<float> values, Shape shape)
{
    return {name, shape, std::move(values)};
}

std::string setting(const char* name, const char* value)
{
    return fmt::format(R"({{"{}":"{}"}})", name, value);
}

std::string causal(const char* solver)
{
    return fmt::format(R"({{"causal":true,"alpha":0.5,"solver":"{}"}})", solver);
}

void add_rows(std::vector<SelfTestCheck>& checks)
{
    const NamedArray x = uniform("x", {3, 21}, -3, 3);
    checks.push_back({"linear", "{}", {x, uniform("weight", {5, 21}), uniform("bias", {5})}});
    checks.push_back({"linear", "{}", {x, halves("weight", {5, 21}), uniform("bias", {5})}});
    for (const char* kind : {"tanh", "silu", "gelu", "exp", "softplus", "elu"}) {
        checks.push_back({"activation", setting("kind", kind), {x}});
    }
    checks.push_back({"squash", R"({"kind":"tanh","low":[-1,0],"high":[2,1]})", {uniform("x", {7, 2}, -3, 3)}});
    checks.push_back({"normalize", R"({"clip":1})", {x, uniform("mean", {21}), uniform("variance", {21}, 0.5, 2)}});
    checks.push_back({"gate_output", R"({"kind":"sigmoid"})", {x, uniform("gate", {3, 21})}});
    checks.push_back({"multiply", "{}", {uniform("a", {3, 21}), uniform("b", {3, 21})}});
    checks.push_back({"layer_norm", "{}", {x, uniform("weight", {21}), uniform("bias", {21})}});
    checks.push_back({"rms_norm", "{}", {x, uniform("weight", {21})}});
    checks.push_back({"l2_norm", R"({"heads":3})", {x}});
    checks.push_back({"concat", "{}", {uniform("x0", {3, 5}), uniform("x1", {3, 2})}});
    checks.push_back({"embedding", "{}", {whole_numbers("x", {6, 0, 3}, {3, 1}), uniform("weight", {7, 5})}});
    checks.push_back({"embedding", "{}", {whole_numbers("x", {6, 0, 3}, {3, 1}), halves("weight", {7, 5})}});
    checks.push_back({"gate_synapse", "{}", {x, uniform("weight", {5, 21}), uniform("gate", {3, 5, 21})}});
    for (const char* op : {"softmax", "argmax", "sample"}) {
        checks.push_back({op, "{}", {uniform("x", {2, 3, 21}, -3, 3)}});
    }
    checks.push_back({"short_conv", "{}", {uniform("x", {2, 5, 21}), uniform("weight", {21, 4})}});
    for (const uint32_t gates : {3U, 4U}) {
        checks.push_back(
            {gates == 3 ? "gru" : "lstm",
             "{}",
             {uniform("x", {2, 3, 5}), uniform("weight_ih", {7 * gates, 5}), uniform("weight_hh", {7 * gates, 7})}});
        checks.push_back(
            {gates == 3 ? "gru" : "lstm",
             "{}",
             {uniform("x", {2, 3, 5}), halves("weight_ih", {7 * gates, 5}), halves("weight_hh", {7 * gates, 7})}});
    }
}

void add_recurrences(std::vector<SelfTestCheck>& checks)
{
    const NamedArray decay = uniform("decay", {2, 3, 2}, -0.5, -0.1);
    const NamedArray beta = uniform("beta", {2, 3, 2}, 0, 1);
    for (const uint32_t width : {5U, 16U, 64U}) { // any shape; those with kernels of their own
        const NamedArray each = uniform("decay", {2, 3, 2, width}, -0.5, -0.1);
        const NamedArray state = uniform("state", {2, 2, width, width});
        checks.push_back({"linear_attention", R"({"rule":"delta"})", with(attention(3, width, width), {decay, beta})});
        checks.push_back({"linear_attention", "{}", with(attention(3, width, width), {each, state})});
    }
    checks.push_back({"linear_attention", R"({"head_decay":[-0.5,-0.1],"read":"before"})", attention(1, 32, 16)});
    checks.push_back({"linear_attention", R"({"head_decay":[-0.5,-0.1],"read":"before"})",
                      with(attention(1, 64, 64), {uniform("state", {2, 2, 64, 64})})});
    checks.push_back({"linear_attention", R"({"feature":"elu1","normalize":true})", attention(3, 5, 7)});
    for (const uint32_t width : {5U, 16U}) { // any shape; those with kernels of their own
        const std::vector<NamedArray> inputs{uniform("q", {2, 5, 2, width}), uniform("k", {2, 5, 2, width})};
        const NamedArray values = uniform("v", {2, 5, 2, 2 * width});
        const NamedArray logs = uniform("log_v", {2, 5, 2, 2 * width});
        checks.push_back({"log_attention", "{}", with(inputs, {logs})});
        checks.push_back({"log_attention", R"({"signed":true})", with(inputs, {values})});
        checks.push_back({"log_attention", R"({"causal":false})", with(inputs, {logs})});
    }
    const std::vector<NamedArray> token{uniform("q", {2, 1, 2, 32}), uniform("k", {2, 1, 2, 32})};
    checks.push_back({"log_attention", "{}", with(token, {uniform("log_v", {2, 1, 2, 64})})});
    checks.push_back({"log_attention", R"({"signed":true})", with(token, {uniform("v", {2, 1, 2, 64})})});
    checks.push_back({"log_recurrence", "{}", {uniform("a", {2, 5, 7}, -1, 0), uniform("b", {2, 5, 7})}});
    checks.push_back({"log_linear_attention", "{}",
                      with(attention(3, 5, 7), {decay, uniform("level_scale", {2, 3, 2, 4}, 0.1, 1)})});
}

/// Softmax and what approximates it.
void add_attention(std::vector<SelfTestCheck>& checks)
{
    const bool kWhole = true;
    const bool kKeepsStates = true;
    checks.push_back({"softmax_attention", R"({"causal":true})", attention(9, 5, 7)});
    checks.push_back(
        {"softmax_attention", R"({"causal":true,"capacity":8})", attention(5, 5, 7), !kWhole, kKeepsStates});
    checks.push_back({"softmax_attention", R"({"budget":3})", attention(9, 5, 7), kWhole});
    for (const char* attributes : {R"({"features":"favor"})", R"({"features":"favor","causal":true})",
                                   R"({"features":"rfa"})", R"({"features":"rfa","causal":true})"}) {
        checks.push_back(
            {"random_feature_attention", attributes, with(attention(5, 6, 7), {uniform("projection", {2, 9, 6})})});
    }
    checks.push_back({"eva", R"({"window":4,"chunk":2})", with_maps(attention(12, 5, 5))});
    checks.push_back({"eva", R"({"causal":true,"window":4,"chunk":2,"capacity":16})", with_maps(attention(7, 5, 5)),
                      !kWhole, kKeepsStates});
    checks.push_back({"lara", R"({"landmarks":4})", with_maps(attention(12, 5, 5))});
}

void add_solvers(std::vector<SelfTestCheck>& checks)
{
    checks.push_back({"ridge_solve", R"({"alpha":0.1})", {definite(2, 9), uniform("rhs", {2, 9, 3})}});
    // More columns than fit beside the factor into 64 KiB of shared memory: it lies in a buffer.
    checks.push_back({"ridge_solve", R"({"alpha":0.1})", {definite(1, 128), uniform("rhs", {1, 128, 64})}});
    checks.push_back({"ridge_solve", R"({"alpha":0.1,"solver":"cg"})", {definite(1, 9), uniform("rhs", {1, 9, 2})}});
    for (const char* attributes :
         {R"({"alpha":0.5})", R"({"alpha":0.5,"solver":"qr"})", R"({"alpha":0.5,"refine":1})"}) {
        checks.push_back({"ridge_solve", attributes, {uniform("k", {2, 23, 6}), uniform("v", {2, 23, 3})}});
    }
    checks.push_back({"cholesky", "{}", {definite(2, 37)}});
    checks.push_back({"triangular_solve", "{}", {definite(2, 37), uniform("rhs", {2, 37, 3})}});
    checks.push_back({"qr_update", R"({"forget":0.9})", {definite(2, 6), uniform("x", {2, 3, 6})}});
    checks.push_back({"intention", R"({"alpha":0.5})", attention(9, 5, 3)});
    for (const char* solver : {"cholesky", "cg", "qr", "rls"}) {
        checks.push_back({"intention", causal(solver), attention(4, 5, 3)});
    }
    checks.push_back({"intention", causal("rls"), attention(4, 8, 3)}); // a width that lanes share four by four
    checks.push_back({"intention",
                      causal("cholesky"),
                      {uniform("q", {1, 1, 1, 224}), uniform("k", {1, 1, 1, 224}), uniform("v", {1, 1, 1, 3})}});
    for (const char* form : {"score", "kernel"}) {
        const bool is_whole = form == std::string_view("kernel"); // the host solves at the last of its launches
        checks.push_back({"sigma_intention", setting("form", form), attention(5, 4, 3), is_whole});
    }
}

void add_searches(std::vector<SelfTestCheck>& checks)
{
    checks.push_back({"threshold_functions", R"({"inputs":2})", {}});
    const std::vector<float> gates{1, 2, 8, 14};
    checks.push_back({"gated_functions",
                      R"({"inputs":2})",
                      {whole_numbers("gates", gates, {4}), whole_numbers("on", gates, {4}),
                       whole_numbers("off", {0, 0, 0, 0}, {4})}});
    const bool kWhole = true;
    checks.push_back({"simplex_solve", "{}", {uniform("v", {2, 5, 6}), uniform("target", {2, 6})}, kWhole});
    // Inputs with one answer: budgets too small for no error, and points with one dependence between them.
    checks.push_back({"value_aware_sparse",
                      R"({"budget":4,"method":"exact"})",
                      {uniform("v", {1, 5, 3}), uniform("logits", {1, 5})},
                      kWhole});
    for (const char* method : {"topk_refit", "forward"}) {
        checks.push_back({"value_aware_sparse",
                          fmt::format(R"({{"budget":3,"method":"{}"}})", method),
                          {uniform("v", {1, 12, 8}), uniform("logits", {1, 12})},
                          kWhole});
    }
}

} // namespace

std::vector<SelfTestCheck> self_test_checks()
{
    std::vector<SelfTestCheck> checks;
    add_rows(checks);
    add_recurrences(checks);
    add_attention(checks);
    add_solvers(checks);
    add_searches(checks);
    return checks;
}

} // namespace gramian
