//! The names of the crate `sdl2` that gym-rs 0.3.0 uses, so that it compiles unchanged on a machine
//! without SDL, cmake or a screen. gym-rs opens a window only when it is asked to draw; [`init`]
//! then answers with an error. Nothing here can be reached without it.
//!
//! The workspace's `Cargo.toml` puts this crate in the place of the real one; without those lines
//! gym-rs is built with SDL.

/// Nothing has a value of this type: there is no screen.
#[derive(Debug)]
pub enum NoScreen {}

const NO_SCREEN: &str =
    "this program was built with a stand-in for SDL: gym-rs cannot open a window or draw";

/// Opens the library: there is none.
///
/// # Errors
/// Always.
pub fn init() -> Result<Sdl, String> {
    Err(NO_SCREEN.to_owned())
}

/// The library's context.
#[derive(Debug)]
pub struct Sdl(NoScreen);

impl Sdl {
    /// Its screens.
    ///
    /// # Errors
    /// Never: there is no context.
    pub fn video(&self) -> Result<video::VideoSubsystem, String> {
        match self.0 {}
    }

    /// Its events.
    ///
    /// # Errors
    /// Never: there is no context.
    pub fn event_pump(&self) -> Result<EventPump, String> {
        match self.0 {}
    }
}

/// Events on their way.
#[derive(Debug)]
pub struct EventPump(NoScreen);

impl EventPump {
    /// Those that came.
    pub fn poll_iter(&mut self) -> std::iter::Empty<event::Event> {
        match self.0 {}
    }
}

/// Events.
pub mod event {
    /// What may happen.
    #[derive(Debug)]
    pub enum Event {
        /// The window was closed.
        Quit {
            /// When.
            timestamp: u32,
        },
        /// Something else.
        Unknown,
    }
}

/// Windows.
pub mod video {
    use crate::NoScreen;
    use crate::render::CanvasBuilder;

    /// The screens.
    #[derive(Debug)]
    pub struct VideoSubsystem(NoScreen);

    impl VideoSubsystem {
        /// A window in the making.
        pub fn window(&self, _title: &str, _width: u32, _height: u32) -> WindowBuilder {
            match self.0 {}
        }
    }

    /// A window in the making.
    #[derive(Debug)]
    pub struct WindowBuilder(NoScreen);

    impl WindowBuilder {
        /// In the middle of the screen.
        pub fn position_centered(&mut self) -> &mut Self {
            match self.0 {}
        }

        /// Not to be seen.
        pub fn hidden(&mut self) -> &mut Self {
            match self.0 {}
        }

        /// The window.
        ///
        /// # Errors
        /// Never: there is no window.
        pub fn build(&self) -> Result<Window, String> {
            match self.0 {}
        }
    }

    /// A window.
    #[derive(Debug)]
    pub struct Window(NoScreen);

    impl Window {
        /// What can be drawn on, in the making.
        pub fn into_canvas(self) -> CanvasBuilder {
            match self.0 {}
        }
    }
}

/// Drawing.
pub mod render {
    use crate::NoScreen;
    use crate::pixels::{Color, PixelFormatEnum};
    use crate::rect::{Point, Rect};

    /// A canvas in the making.
    #[derive(Debug)]
    pub struct CanvasBuilder(pub(crate) NoScreen);

    impl CanvasBuilder {
        /// Drawn by the graphics card.
        pub fn accelerated(self) -> Self {
            match self.0 {}
        }

        /// The canvas.
        ///
        /// # Errors
        /// Never: there is no window.
        pub fn build(self) -> Result<WindowCanvas, String> {
            match self.0 {}
        }
    }

    /// A window's canvas.
    #[derive(Debug)]
    pub struct WindowCanvas(pub(crate) NoScreen);

    impl WindowCanvas {
        /// Sets the colour of lines.
        pub fn set_draw_color(&mut self, _color: Color) {
            match self.0 {}
        }

        /// Fills all of it.
        pub fn clear(&mut self) {
            match self.0 {}
        }

        /// Shows what was drawn.
        pub fn present(&mut self) {
            match self.0 {}
        }

        /// Draws lines from point to point.
        ///
        /// # Errors
        /// Never: there is no canvas.
        pub fn draw_lines(&mut self, _points: &[Point]) -> Result<(), String> {
            match self.0 {}
        }

        /// What was drawn.
        ///
        /// # Errors
        /// Never: there is no canvas.
        pub fn read_pixels(
            &self,
            _part: Option<Rect>,
            _format: PixelFormatEnum,
        ) -> Result<Vec<u8>, String> {
            match self.0 {}
        }

        /// What makes textures.
        pub fn texture_creator(&self) -> TextureCreator {
            match self.0 {}
        }

        /// Draws on a texture.
        ///
        /// # Errors
        /// Never: there is no canvas.
        pub fn with_texture_canvas(
            &mut self,
            _texture: &mut Texture,
            _draw: impl FnMut(&mut WindowCanvas),
        ) -> Result<(), String> {
            match self.0 {}
        }

        /// Copies a texture.
        ///
        /// # Errors
        /// Never: there is no canvas.
        #[allow(clippy::too_many_arguments)]
        pub fn copy_ex(
            &mut self,
            _texture: &Texture,
            _from: Option<Rect>,
            _to: Option<Rect>,
            _angle: f64,
            _center: Option<Point>,
            _flip_horizontal: bool,
            _flip_vertical: bool,
        ) -> Result<(), String> {
            match self.0 {}
        }
    }

    /// Makes textures.
    #[derive(Debug)]
    pub struct TextureCreator(NoScreen);

    impl TextureCreator {
        /// A texture to draw on.
        ///
        /// # Errors
        /// Never: there is no canvas.
        pub fn create_texture_target(
            &self,
            _format: PixelFormatEnum,
            _width: u32,
            _height: u32,
        ) -> Result<Texture, String> {
            match self.0 {}
        }
    }

    /// A texture.
    #[derive(Debug)]
    pub struct Texture(#[allow(dead_code)] NoScreen);
}

/// Colours.
pub mod pixels {
    /// A colour.
    #[derive(Clone, Copy, Debug)]
    pub struct Color;

    impl Color {
        /// White.
        pub const WHITE: Color = Color;
        /// Black.
        pub const BLACK: Color = Color;

        /// Any other.
        #[allow(non_snake_case)]
        pub const fn RGB(_red: u8, _green: u8, _blue: u8) -> Color {
            Color
        }
    }

    /// How pixels lie in memory.
    #[derive(Clone, Copy, Debug)]
    pub enum PixelFormatEnum {
        /// Three bytes each.
        RGB24,
    }
}

/// Places.
pub mod rect {
    /// A point.
    #[derive(Clone, Copy, Debug)]
    pub struct Point;

    impl Point {
        /// The point at these pixels.
        pub fn new(_x: i32, _y: i32) -> Self {
            Point
        }
    }

    /// A rectangle.
    #[derive(Clone, Copy, Debug)]
    pub struct Rect;
}

/// Shapes and frame rates.
pub mod gfx {
    /// Frame rates.
    pub mod framerate {
        /// Waits between frames.
        #[derive(Debug, Default)]
        pub struct FPSManager;

        impl FPSManager {
            /// One that does not wait.
            pub fn new() -> Self {
                FPSManager
            }

            /// Sets the rate.
            ///
            /// # Errors
            /// Always: nobody watches.
            pub fn set_framerate(&mut self, _rate: u32) -> Result<(), String> {
                Err(crate::NO_SCREEN.to_owned())
            }

            /// Waits until the next frame; how long.
            pub fn delay(&mut self) -> u32 {
                0
            }
        }
    }

    /// Shapes.
    pub mod primitives {
        use crate::pixels::Color;
        use crate::render::WindowCanvas;

        /// Draws shapes.
        ///
        /// # Errors
        /// Never, any of them: there is no canvas.
        #[allow(clippy::missing_errors_doc, missing_docs)]
        pub trait DrawRenderer {
            fn aa_polygon(&self, x: &[i16], y: &[i16], color: Color) -> Result<(), String>;
            fn filled_polygon(&self, x: &[i16], y: &[i16], color: Color) -> Result<(), String>;
            fn aa_circle(&self, x: i16, y: i16, radius: i16, color: Color) -> Result<(), String>;
            fn filled_circle(
                &self,
                x: i16,
                y: i16,
                radius: i16,
                color: Color,
            ) -> Result<(), String>;
            fn hline(&self, x1: i16, x2: i16, y: i16, color: Color) -> Result<(), String>;
            fn vline(&self, x: i16, y1: i16, y2: i16, color: Color) -> Result<(), String>;
        }

        impl DrawRenderer for WindowCanvas {
            fn aa_polygon(&self, _: &[i16], _: &[i16], _: Color) -> Result<(), String> {
                match self.0 {}
            }

            fn filled_polygon(&self, _: &[i16], _: &[i16], _: Color) -> Result<(), String> {
                match self.0 {}
            }

            fn aa_circle(&self, _: i16, _: i16, _: i16, _: Color) -> Result<(), String> {
                match self.0 {}
            }

            fn filled_circle(&self, _: i16, _: i16, _: i16, _: Color) -> Result<(), String> {
                match self.0 {}
            }

            fn hline(&self, _: i16, _: i16, _: i16, _: Color) -> Result<(), String> {
                match self.0 {}
            }

            fn vline(&self, _: i16, _: i16, _: i16, _: Color) -> Result<(), String> {
                match self.0 {}
            }
        }
    }
}
