// Antialiased flat shapes and text, in logical pixels, on a bitmap of libgd: drawn large, then averaged down.
// Used by picture_scene and record_picture.
#pragma once

#include <gd.h>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gramian::app {

struct Ink {
    int red = 0;
    int green = 0;
    int blue = 0;
};

/// The colour that `share` in [0, 1] of the ink leaves over a ground.
Ink mixed(Ink ink, Ink ground, double share);

/// Logical pixels, y downwards.
struct Spot {
    double x = 0;
    double y = 0;
};

struct Box {
    double left = 0;
    double top = 0;
    double width = 0;
    double height = 0;
};

enum class Side { left, centre, right };

struct TextStyle {
    double size = 12; // logical pixels
    Ink ink;
    bool is_bold = false;
    Side side = Side::left; // which side of the text the spot marks
};

struct BitmapDeleter {
    void operator()(gdImage* image) const noexcept { gdImageDestroy(image); }
};
using Bitmap = std::unique_ptr<gdImage, BitmapDeleter>;

class Canvas {
public:
    /// A canvas of width x height logical pixels that becomes a bitmap `scale` times as large.
    /// Throws std::runtime_error when memory does not suffice.
    Canvas(double width, double height, int scale, Ink ground);

    /// Shapes drawn from now on show inside this box only; an empty box lifts the limit.
    void clip(const Box& box);

    void line(Spot from, Spot to, double width, Ink ink);
    void path(const std::vector<Spot>& spots, double width, Ink ink);
    void disc(Spot centre, double radius, Ink ink);
    void box(const Box& box, double corner_radius, Ink ink);

    /// UTF-8 text above the baseline at the spot, over all shapes. DejaVu Sans or what fontconfig finds in its place;
    /// with no font at all, gd's own bitmap letters. Text wider than max_width (unless 0) ends in an ellipsis.
    void text(Spot baseline, std::string_view text, const TextStyle& style, double max_width = 0);

    /// Width of the text in logical pixels.
    [[nodiscard]] double text_width(const std::string& text, const TextStyle& style) const;

    /// The bitmap, in true colour; the canvas may be drawn on further.
    [[nodiscard]] Bitmap bitmap() const;

private:
    struct Label {
        Spot baseline;
        std::string text;
        TextStyle style;
    };
    [[nodiscard]] int large(double length) const;

    int scale_;
    Bitmap large_;
    std::vector<Label> labels_;
};

} // namespace gramian::app
