// Chunked prefill of linear attention beside the token loop.
#include "arrays.hpp"
#include "ops/linear_attention_chunked.hpp"
#include "test_device.hpp"

using namespace gramian;

namespace {

OperatorRun attend(const std::vector<NamedArray>& inputs, const Json& attributes, uint32_t chunk)
{
    OperatorRunOptions options;
    options.check_guards = true;
    options.chunk = chunk;
    return run_operator(test_device(), "linear_attention", attributes, inputs, options);
}

std::vector<NamedArray> delta_inputs(uint32_t tokens)
{
    NamedArray decay = random_array("decay", {2, tokens, 2}, 4, 0.3);
    for (float& g : decay.values) g = -std::abs(g);
    NamedArray beta{"beta", {2, tokens, 2}, std::vector<float>(size_t{tokens} * 4, 0.7F)};
    return {random_array("q", {2, tokens, 2, 12}, 1), random_array("k", {2, tokens, 2, 12}, 2, 0.28),
            random_array("v", {2, tokens, 2, 20}, 3), decay, beta};
}

void agree(const OperatorRun& chunked, const OperatorRun& loop)
{
    CHECK(relative_error(output_of(chunked, "o"), output_of(loop, "o")) < 2e-5);
    CHECK(relative_error(output_of(chunked, "state"), output_of(loop, "state")) < 2e-5);
}

} // namespace

TEST_CASE("chunked prefill: any chunk gives the token loop's answer within rounding")
{
    const auto inputs = delta_inputs(70);
    const OperatorRun loop = attend(inputs, {{"rule", "delta"}}, 0);
    for (const uint32_t chunk : {1U, 3U, 16U, 64U, 70U}) {
        CAPTURE(chunk);
        const OperatorRun chunked = attend(inputs, {{"rule", "delta"}}, chunk);
        agree(chunked, loop);
        CHECK(chunked.dispatches >= 4); // not the token loop itself
    }
}

TEST_CASE("chunked prefill: decays that a head has by itself, with and without others")
{
    auto inputs = delta_inputs(50);
    const Json attributes = {{"head_decay", {-0.03, -0.7}}};
    agree(attend(inputs, attributes, 16), attend(inputs, attributes, 0));
    inputs.erase(inputs.begin() + 3);
    agree(attend(inputs, attributes, 16), attend(inputs, attributes, 0));
}

TEST_CASE("chunked prefill: pieces and segments carry the state on")
{
    const auto inputs = delta_inputs(70);
    const Json attributes = {{"rule", "delta"}, {"chunks", {17, 1, 52}}};
    const OperatorRun loop = attend(inputs, attributes, 0);
    const OperatorRun chunked = attend(inputs, attributes, 16);
    agree(chunked, loop);
    CHECK(relative_error(output_of(chunked, "state_chunks"), output_of(loop, "state_chunks")) < 2e-5);
    const auto many = delta_inputs(6000); // more chunks than one segment holds, and than one launch may take
    agree(attend(many, {{"rule", "delta"}}, 4), attend(many, {{"rule", "delta"}}, 0));
}

TEST_CASE("chunked prefill: a decay of e^-1000 within a chunk neither overflows nor disturbs what follows")
{
    auto inputs = delta_inputs(48);
    for (size_t i = 5 * 4; i < 6 * 4; ++i) inputs[3].values[i] = -1000;
    for (size_t i = 20 * 4; i < 24 * 4; ++i) inputs[3].values[i] = -250;
    for (size_t i = 40 * 4; i < 41 * 4; ++i) inputs[3].values[i] = -INFINITY;
    for (const char* rule : {"none", "delta"})
        agree(attend(inputs, {{"rule", rule}}, 16), attend(inputs, {{"rule", rule}}, 0));
}

TEST_CASE("chunked prefill: processors go token by token unless asked, and normalised recurrences always")
{
    LinearRecurrence recurrence;
    recurrence.k.shape = {1, 256, 4, 64};
    recurrence.v.shape = recurrence.k.shape;
    recurrence.count = 256;
    Caps caps;
    CHECK(preferred_chunk(caps, recurrence) == 16);
    recurrence.count = 1;
    CHECK(preferred_chunk(caps, recurrence) == 0);
    recurrence.count = 256;
    caps.is_software = true;
    CHECK(preferred_chunk(caps, recurrence) == 0);
    caps.is_software = false;
    caps.is_host = true;
    CHECK(preferred_chunk(caps, recurrence) == 0);
    caps.is_host = false;
    const Tensor z;
    recurrence.state_z = &z;
    CHECK(preferred_chunk(caps, recurrence) == 0);
}
