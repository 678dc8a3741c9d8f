// sigma-Intention token by token: the sums precondition the query, the pairs wait in a ring.
#include "refused.hpp"
#include "sliced_model.hpp"

using namespace gramian;

namespace {

constexpr uint32_t kTokens = 70; // more than a block of the kernel
constexpr uint32_t kSize = 6 + 4 + 6;

Json attributes_of(uint32_t capacity)
{
    return {{"heads", 2}, {"alpha", 0.4}, {"causal", true}, {"score_scale", 1.5}, {"capacity", capacity}};
}

Model sigma_model(uint32_t capacity)
{
    return sliced_model("sigma_intention", attributes_of(capacity), {6, 4, 6}, 4).parse(test_device());
}

} // namespace

TEST_CASE("sigma-Intention nodes: steps and pieces give the bits of the operator over the whole sequence")
{
    const std::vector<float> x = random_values(1, size_t{kStreams} * kTokens * kSize);
    const std::vector<float> expected = output_of(
        run_operator(test_device(), "sigma_intention", {{"alpha", 0.4}, {"causal", true}, {"score_scale", 1.5}},
                     {slice_of(x, kSize, "k", 0, {kStreams, kTokens, 2, 3}),
                      slice_of(x, kSize, "v", 6, {kStreams, kTokens, 2, 2}),
                      slice_of(x, kSize, "q", 10, {kStreams, kTokens, 2, 3})}),
        "y");
    const Model model = sigma_model(kTokens);
    CHECK(same_bits(step_all(model, x, kSize, 4), expected));
    for (const std::vector<uint32_t>& pieces : {std::vector<uint32_t>{70}, {1, 64, 5}, {33, 37}}) {
        Session session = make_session(model, kStreams);
        CHECK(same_bits(prefill_all(session, x, kSize, 4, pieces), expected));
        const NamedArray report = session.reports(2)[0];
        CHECK(report.shape == Shape{2, kReportFields});
        CHECK(report.values[1] == 0.4F); // the ridge that was used
        CHECK(report.values[2] == 0.0F);
        CHECK(report.values[0] > 0.4F);
    }
}

TEST_CASE("sigma-Intention nodes: a full ring is refused by name, and a stream that was reset starts from nothing")
{
    const Model model = sigma_model(3);
    Session session = make_session(model, kStreams);
    const std::vector<float> x = random_values(2, size_t{kStreams} * kSize);
    const std::vector<float> first = step(session, x);
    (void)step(session, random_values(3, size_t{kStreams} * kSize));
    (void)step(session, x);
    refused(Status::invalid_argument, "keeps at most 3 (its 'capacity')", [&] { (void)step(session, x); });
    session.reset(all_streams(session));
    CHECK(session.reports(0).empty());
    CHECK(same_bits(step(session, x), first));
}

TEST_CASE("sigma-Intention nodes: what cannot go token by token is refused")
{
    Json attributes = attributes_of(8);
    attributes.erase("capacity");
    refused(Status::invalid_model, "'capacity' is missing", [&] {
        const Model model = sliced_model("sigma_intention", attributes, {6, 4, 6}, 4).parse(test_device());
        (void)make_session(model, 1);
    });
    attributes["capacity"] = 8;
    attributes["form"] = "kernel";
    refused(Status::unsupported, "form 'score'", [&] {
        const Model model = sliced_model("sigma_intention", attributes, {6, 4, 6}, 4).parse(test_device());
        (void)make_session(model, 1);
    });
}
