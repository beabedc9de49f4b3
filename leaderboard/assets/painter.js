"use strict";
// Draws the parts of the 4D view on a canvas: markers, trails, cameras, a scale.
(function () {
  const TRAIL = 8, TRAIL_STEP = 4; // frames, and every which point has a trail

  /** Draw the marker of a method (0 to 3), or of the truth (-1), with radius r. */
  function drawMarker(context, shape, x, y, r) {
    if (shape === 0) context.fillRect(x - r, y - r, 2 * r, 2 * r);
    else if (shape === 3) {
      context.fillRect(x - 1.3 * r, y - 0.5 * r, 2.6 * r, r);
      context.fillRect(x - 0.5 * r, y - 1.3 * r, r, 2.6 * r);
    } else {
      context.beginPath();
      if (shape === -1) context.arc(x, y, 0.9 * r, 0, 7);
      else {
        context.moveTo(x, y - 1.4 * r);
        context.lineTo(x + 1.3 * r, shape === 1 ? y : y + r);
        if (shape === 1) context.lineTo(x, y + 1.4 * r);
        context.lineTo(x - 1.3 * r, shape === 1 ? y : y + r);
      }
      context.fill();
    }
  }

  /** Draw what a camera (Pinhole) sees; lengths are in pixels of the screen, of which the canvas has ``ratio`` each. */
  class Painter {
    constructor(context, camera, ratio) {
      Object.assign(this, { context, camera, ratio });
      context.lineWidth = ratio;
      context.font = 11 * ratio + "px sans-serif";
    }

    /** Draw lines [from, to] between points in the world, and a label at a point. */
    lines(pairs, label, place, colour) {
      const { context, camera, ratio } = this;
      context.strokeStyle = context.fillStyle = colour;
      context.beginPath();
      for (const [from, to] of pairs) {
        if (!camera.project(from)) continue;
        const { u, v } = camera;
        if (!camera.project(to)) continue;
        context.moveTo(u, v);
        context.lineTo(camera.u, camera.v);
      }
      context.stroke();
      if (camera.project(place)) context.fillText(label, camera.u + 4 * ratio, camera.v - 4 * ratio);
    }

    /** Draw where some points of a cloud in some views were in the frames before. */
    trails({ xyz, frames, points }, views, frame, colour) {
      const { context, camera } = this;
      context.strokeStyle = colour;
      for (let age = 1; age <= Math.min(TRAIL, frame); age++) {
        context.globalAlpha = 0.7 * (1 - age / (TRAIL + 1));
        context.beginPath();
        for (const v of views) {
          for (let k = 0; k < points; k += TRAIL_STEP) {
            const i = 3 * ((v * frames + frame - age) * points + k);
            if (!camera.project(xyz, i)) continue;
            const x = camera.u, y = camera.v;
            if (!camera.project(xyz, i + 3 * points)) continue;
            context.moveTo(x, y);
            context.lineTo(camera.u, camera.v);
          }
        }
        context.stroke();
      }
      context.globalAlpha = 1;
    }

    /** Draw points [u, v, z, shape, colour], the farthest first; nearer ones are larger, if the depth of the middle is given. */
    points(list, middle) {
      const { context, ratio } = this, size = ratio * Math.min(Math.max(context.canvas.width / ratio / 700, 0.6), 1);
      // Numbers sort faster than arrays: each is a depth in 10 micrometres, then the point's index.
      const order = Float64Array.from(list, ([, , z], n) => Math.round(z * 1e5) * 65536 + n).sort();
      for (let n = order.length - 1; n >= 0; n--) {
        const [u, v, z, shape, colour] = list[order[n] % 65536];
        const near = middle ? Math.min(Math.max(middle / z, 0.7), 1.6) : 1;
        context.fillStyle = colour;
        drawMarker(context, shape, u, v, (shape < 0 ? 2.4 : 2.7) * near * size);
      }
    }

    /** Draw a line of some length with its label in the lower left corner of a picture of some height. */
    scale(length, label, height, colour) {
      const { context, ratio } = this, left = 12 * ratio, y = height - 12 * ratio;
      context.fillStyle = colour;
      context.fillRect(left, y, length, 1.5 * ratio);
      context.fillText(label, left, y - 5 * ratio);
    }
  }

  hoibench.Painter = Painter;
})();
